/* SPDX-License-Identifier: Apache-2.0 */
/* HTML of mail. What it must not do is kept from it by the browser, not by reading it. */
#include "apid/mail_html.h"

struct buf *mail_html_begin(struct req *r)
{
	struct buf *out = resp_html(&r->resp, 200);

	resp_header(&r->resp, "Content-Security-Policy",
		    S("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
		      "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"));
	resp_header(&r->resp, "X-DNS-Prefetch-Control", S("off"));
	resp_header(&r->resp, "Referrer-Policy", S("no-referrer"));
	resp_header(&r->resp, "Cross-Origin-Resource-Policy", S("same-origin"));
	resp_header(&r->resp, "X-Robots-Tag", S("noindex, nofollow"));
	return out;
}
