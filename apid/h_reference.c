/* SPDX-License-Identifier: Apache-2.0 */
/* The reference, for anybody. Answered on the HTTP thread: bytes of this program, nothing that
 * waits. */
#include "apid/etag.h"
#include "apid/handlers.h"
#include "apid/reference.h"
#include "apid/req.h"

static void serve(struct req *r, const struct reference *f)
{
	if (etag_known(r->field.if_none_match, slice_str(f->etag))) {
		resp_empty(&r->resp, 304);
	} else {
		buf_add_slice(resp_bytes(&r->resp, 200, f->type), f->bytes);
		resp_header(&r->resp, "Content-Security-Policy", slice_str(f->policy));
	}
	r->resp.nosniff = true;
	r->resp.cacheable = true;
	/* A cache asks each time: after an upgrade the tag is another one. */
	resp_header(&r->resp, "Cache-Control", S("no-cache"));
	resp_header(&r->resp, "ETag", slice_str(f->etag));
}

void reference_get_page(struct req *r)
{
	serve(r, &reference_page);
}

void reference_get_yaml(struct req *r)
{
	serve(r, &reference_yaml);
}

void reference_get_json(struct req *r)
{
	serve(r, &reference_json);
}
