/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In whose name mail of agents goes out to the world: the agent's own address,
 * where receivers will believe it, else agent@<relay domain> (the relay form).
 */
#ifndef E2A_MAIL_SENDER_H
#define E2A_MAIL_SENDER_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/settings.h"
#include "common/base/slice.h"

struct sender {
	struct slice shared_domain; /* these as addr_domain() gives them; empty: there is none */
	struct slice relay_domain;  /* `from_domain`, else the shared one */
	enum sender_shared { SENDER_AUTO, SENDER_AGENT, SENDER_RELAY } shared;
};

/* Reads the settings; the domains are in the arena. ERR_CONFIG names one that is none. */
enum err sender_init(const struct settings *s, struct arena *a, struct sender *ret,
		     struct fail *fail) MUST_CHECK;
/*
 * Does mail of an agent on `domain` carry its own address? `published`: the
 * domain's DKIM key is in DNS. Without a relay domain there is no other way.
 */
bool sender_is_agent(const struct sender *s, struct slice domain, bool published);

#endif
