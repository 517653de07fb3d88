/* SPDX-License-Identifier: Apache-2.0 */
/* A body that may be left out, but never misunderstood. */
#include "apid/named.h"

#include "common/base/jsonf.h"

struct named {
	struct slice name;
};

static const struct jsonf_row rows[] = {
	{ "name", JSONF_TEXT, offsetof(struct named, name), JSONF_NO_GIVEN },
	{ 0 },
};

bool named_read(struct req *r, struct slice *ret)
{
	struct slice body = slice_trim(buf_slice(&r->body));
	struct named n = { 0 };

	r->resp.close = r->resp.close || r->body_bad;
	if (r->body_bad || (body.n && jsonf_read(body, rows, &r->arena, &n)) ||
	    slice_find(n.name, '\0') >= 0) {
		resp_error(&r->resp, 400, "invalid JSON body");
		return false;
	}
	*ret = slice_trim(n.name);
	if (ret->n == 0)
		*ret = S("unnamed");
	return true;
}
