/* SPDX-License-Identifier: Apache-2.0 */
/* Origins. What cannot be read is somebody else's. */
#include "apid/origin.h"

#include "common/base/mem.h"

struct parts {
	struct slice scheme, authority; /* without the port that the scheme implies */
};

static const struct {
	struct slice name, port;
} schemes[] = {
	{ SLICE_INIT("https"), SLICE_INIT(":443") },
	{ SLICE_INIT("http"), SLICE_INIT(":80") },
};

static bool split(struct slice scheme, struct slice authority, struct parts *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (!slice_ieq(scheme, schemes[i].name))
			continue;
		if (slice_ends(authority, schemes[i].port))
			authority = slice_sub(authority, 0, authority.n - schemes[i].port.n);
		*ret = (struct parts){ schemes[i].name, authority };
		return authority.n > 0;
	}
	return false;
}

/* scheme "://" authority, and what follows it in a URL. */
static bool read_url(struct slice url, struct parts *ret)
{
	ptrdiff_t mark = slice_search(url, S("://"));
	struct slice rest, authority = S("");

	if (mark < 0)
		return false;
	rest = slice_sub(url, (size_t)mark + 3, url.n);
	slice_cut(&rest, '/', &authority);
	return split(slice_sub(url, 0, (size_t)mark), authority, ret);
}

static bool same(const struct parts *a, const struct parts *b)
{
	return slice_eq(a->scheme, b->scheme) && slice_ieq(a->authority, b->authority);
}

bool origin_is_own(const struct origin *o, struct slice public_url)
{
	struct parts asks, own;

	if (o->sec_fetch_site.n)
		return slice_eq(o->sec_fetch_site, S("same-origin"));
	if (!read_url(o->origin, &asks))
		return false;
	if (public_url.n)
		return read_url(public_url, &own) && same(&asks, &own);
	return split(asks.scheme, o->host, &own) && same(&asks, &own);
}
