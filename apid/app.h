/* SPDX-License-Identifier: Apache-2.0 */
/* What all parts of e2a-apid share. It is made by main and does not change while they run. */
#ifndef E2A_APID_APP_H
#define E2A_APID_APP_H

#include "common/base/keys.h"
#include "common/base/netaddr.h"
#include "common/base/settings.h"
#include "common/mail/dns.h"
#include "common/mail/sender.h"
#include "common/mail/webhook_policy.h"

struct announcer;
struct exports;
struct peers;
struct presence;
struct ready;
struct server;
struct sign_in;
struct waits;
struct workers;
struct ws;

struct app {
	const struct settings *settings;
	const struct keys *keys;
	struct sender sender;
	struct webhook_policy webhook_policy;
	struct netcidr_list trusted_proxies;
	struct dns *dns;
	struct peers *peers;
	struct presence *presence;
	struct ready *ready;
	struct announcer *announcer;
	struct exports *exports;
	struct waits *waits;
	struct workers *workers;
	struct sign_in *sign_in;
	struct server *server;
	struct ws *ws;
};

#endif
