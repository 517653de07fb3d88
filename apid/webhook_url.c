/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of webhook URLs when they are stored. It tells users early; what
 * protects the network is that deliverd asks the same policy when it connects.
 */
#include "apid/webhook_url.h"

#include "common/base/clock.h"

enum { RESOLVE_MS = 5000 };

bool webhook_url_admit(struct req *r, struct slice url)
{
	struct webhook_target target;
	struct fail fail = { 0 };

	if (url.n == 0 || webhook_policy_resolve(&r->app->webhook_policy, r->app->dns, url,
						 clock_mono_ms() + RESOLVE_MS, &target,
						 &fail) == WEBHOOK_ADMITTED)
		return true;
	resp_errorf(&r->resp, 400, "invalid webhook URL: %s", fail.what);
	return false;
}
