/* SPDX-License-Identifier: Apache-2.0 */
/* May this URL become an agent's webhook? Every write path asks here; deliverd checks again at each
 * attempt. */
#ifndef E2A_APID_WEBHOOK_URL_H
#define E2A_APID_WEBHOOK_URL_H

#include "apid/req.h"

/*
 * ERR_INPUT with the reason, for the user, appended to *ret_reason.
 * A name is resolved, and all of its addresses must be public or in
 * webhook_allow.
 */
enum err webhook_url_check(const struct app *app, struct slice url, struct arena *a,
			   struct buf *ret_reason) MUST_CHECK;
/* The same for a request: false when it was answered, 400 with the reason. No URL is fine. */
bool webhook_url_admit(struct req *r, struct slice url);

#endif
