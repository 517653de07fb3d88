/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where webhooks may go: the one answer for the check when a URL is stored, for
 * the addresses that its name has at an attempt, and for the address that is
 * connected to in the end.
 */
#ifndef E2A_MAIL_WEBHOOK_POLICY_H
#define E2A_MAIL_WEBHOOK_POLICY_H

#include "common/base/netaddr.h"
#include "common/base/settings.h"
#include "common/base/weburl.h"
#include "common/mail/dns.h"

enum { WEBHOOK_ADDRESSES_MAX = 16 };

struct webhook_policy {
	bool https_required;
	struct netcidr_list allow;
};

/* Of the refusals of several addresses the last in this order counts. */
enum webhook_refusal {
	WEBHOOK_ADMITTED,
	WEBHOOK_PORT,    /* a system port of a public address */
	WEBHOOK_PLAIN,   /* http, where it has to be https */
	WEBHOOK_PRIVATE, /* an address that is neither public nor in webhook_allow */
	WEBHOOK_LITERAL, /* an address instead of a name, and not in webhook_allow */
	WEBHOOK_NO_ADDRESS,
	WEBHOOK_DNS, /* name service failed; it may work later */
	WEBHOOK_MALFORMED,
};

struct webhook_target {
	struct weburl url;
	struct netaddr v[WEBHOOK_ADDRESSES_MAX];
	size_t n;
};

/* `webhook_https`, `webhook_allow`. ERR_CONFIG names the range that is none. */
enum err webhook_policy_read(const struct settings *s, struct webhook_policy *ret,
			     struct fail *fail) MUST_CHECK;
/*
 * Addresses in webhook_allow may be called on every port, and with http when
 * webhook_https says so. Any other must be public (netaddr_is_global), behind a
 * name, and is called with https on a port of weburl_port_allowed().
 */
bool webhook_policy_admits(const struct webhook_policy *p, const struct weburl *url,
			   const struct netaddr *a);
/*
 * Blocks until name service answers or the deadline (clock_mono_ms) passes.
 * WEBHOOK_ADMITTED: *ret, with slices into `url`, holds at least one address, all
 * of them admitted; one that is not makes the name unusable. Else fail->what is
 * the reason in words, for whoever wrote the URL.
 */
enum webhook_refusal webhook_policy_resolve(const struct webhook_policy *p, struct dns *dns,
					    struct slice url, int64_t deadline_ms,
					    struct webhook_target *ret, struct fail *fail);

#endif
