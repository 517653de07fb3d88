/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for the DNS records of verified domains every `domain_check_interval`, whichever
 * deliverd comes first, and logs what changed. A DKIM key that is to take
 * another's place does so here, and a domain from before there were keys gets one.
 */
#ifndef E2A_DELIVERD_DOMAIN_WATCH_H
#define E2A_DELIVERD_DOMAIN_WATCH_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "deliverd/loop.h"

enum { DOMAIN_LOOKS_AT_ONCE = 4 };

struct db_pool;
struct dns;
struct domain_watch;

struct domain_watch_config {
	struct loop *loop;
	const struct settings *settings;
	const struct keys *keys;
	struct db_pool *pool;
	struct dns *dns;
};

struct domain_watch *domain_watch_new(const struct domain_watch_config *config);
void domain_watch_stop(struct domain_watch *w);
void domain_watch_free(struct domain_watch *w);
DEFINE_FREEP(struct domain_watch, domain_watch_free)

#endif
