/* SPDX-License-Identifier: Apache-2.0 */
/* May this URL become an agent's webhook? Every write path asks here; deliverd asks the same policy
 * again at each attempt. */
#ifndef E2A_APID_WEBHOOK_URL_H
#define E2A_APID_WEBHOOK_URL_H

#include "apid/req.h"

/* False when the request was answered, 400 with the reason. No URL is fine. May wait for DNS. */
bool webhook_url_admit(struct req *r, struct slice url);

#endif
