/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a webhook call may go: the policy of the settings, and the addresses
 * of one URL. The policy is asked twice, for what name service says and for
 * the address that is connected to.
 */
#ifndef E2A_DELIVERD_WEBHOOK_TARGET_H
#define E2A_DELIVERD_WEBHOOK_TARGET_H

#include "common/base/netaddr.h"
#include "common/base/settings.h"
#include "common/base/weburl.h"
#include "common/mail/dns.h"
#include "common/store/store_event.h"

enum { TARGET_ADDRESSES_MAX = 16 };

struct webhook_policy {
	bool https_required;
	struct netcidr_list allow;
};

struct webhook_target {
	struct weburl url;
	struct netaddr v[TARGET_ADDRESSES_MAX];
	size_t n;
};

enum err webhook_policy_read(const struct settings *s, struct webhook_policy *ret,
			     struct fail *fail) MUST_CHECK;
/* Public, or in webhook_allow; only the latter without TLS and on system ports. */
bool webhook_policy_admits(const struct webhook_policy *p, const struct weburl *url,
			   const struct netaddr *a);
/*
 * Blocks until name service answers or the deadline (clock_mono_ms) passes.
 * EVENT_NO_REASON: *ret holds at least one address, all of them admitted. One
 * address that is not makes the name unusable.
 */
enum event_reason webhook_target_resolve(struct dns *dns, const struct webhook_policy *p,
					 struct slice url, int64_t deadline_ms,
					 struct webhook_target *ret);

#endif
