/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a browser says a request was made (Fetch Metadata; RFC 6454 7): a page
 * of our own, or one of somebody else who borrows the cookie.
 */
#ifndef E2A_APID_ORIGIN_H
#define E2A_APID_ORIGIN_H

#include "common/base/slice.h"

struct origin {
	struct slice sec_fetch_site; /* the header fields, empty when absent */
	struct slice origin;
	struct slice host;
};

/*
 * True when Sec-Fetch-Site is `same-origin`, or, where a browser does not send
 * that, when Origin is the origin of `public_url`. Without a public_url it has to
 * name the host that was asked, by http or https. Neither field: false.
 */
bool origin_is_own(const struct origin *o, struct slice public_url);

#endif
