/* SPDX-License-Identifier: Apache-2.0 */
/* The framing of requests. Stricter than RFC 9112: what no client sends is refused. */
#include "apid/framing.h"

#include "common/base/mem.h"

/* A token (RFC 9110 5.6.2), such as no name with a blank in front of its colon is. */
static bool is_token(struct slice s)
{
	return s.n > 0 && slice_only(s, "!#$%&'*+-.^_`|~");
}

void framing_field(struct framing *f, struct slice name, struct slice value)
{
	bool coding = slice_ieq(name, S("Transfer-Encoding"));

	f->lengths += slice_ieq(name, S("Content-Length"));
	f->codings += coding;
	f->odd = f->odd || !is_token(name) || (coding && !slice_ieq(value, S("chunked")));
}

bool framing_is_clear(const struct framing *f, bool http_1_1)
{
	return !f->odd && f->lengths + f->codings <= 1 && (http_1_1 || f->codings == 0);
}
