/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loopback URLs. The reader is narrower than any browser: what a browser would
 * repair (backslashes, blanks, short addresses, missing slashes) is refused.
 */
#include "apid/loopback_url.h"

#include "common/base/netaddr.h"

#include <stdio.h>

#define MALFORMED "invalid cli callback URL: "
#define NO_HOST "cli callback URL must include a host"

enum { HTTP_PORT = 80 };

static enum err refuse(struct fail *fail, const char *text)
{
	return fail_set(fail, ERR_INPUT, "%s", text);
}

/* Those of RFC 3986; a backslash or a quote is none of them. */
static bool only_url_characters(struct slice s)
{
	return slice_only(s, "-._~:/?#[]@!$&'()*+,;=%");
}

/* "host", "host:port", "[address]", "[address]:port": *ret_port is empty without one. */
static enum err split(struct slice authority, struct slice *ret_host, struct slice *ret_port)
{
	bool bracket = slice_starts(authority, S("["));
	struct slice rest = slice_sub(authority, bracket ? 1 : 0, authority.n);
	bool closed = !bracket || slice_find(rest, ']') >= 0;

	*ret_host = S("");
	if (!closed || !slice_cut(&rest, bracket ? ']' : ':', ret_host))
		return ERR_INPUT;
	if (bracket && rest.n && *rest.p != ':')
		return ERR_INPUT;
	*ret_port = bracket ? slice_sub(rest, 1, rest.n) : rest;
	return OK;
}

static bool host_is_loopback(struct slice host, bool bracket)
{
	struct netaddr address;

	if (!bracket && slice_ieq(host, S("localhost")))
		return true;
	return netaddr_parse(host, &address) == OK && netaddr_is_loopback(&address) &&
	       bracket == (slice_find(host, ':') >= 0);
}

static void set_origin(struct slice host, struct loopback_url *u)
{
	if (slice_ieq(host, S("localhost")) || slice_eq(host, S("127.0.0.1")))
		snprintf(u->origin, sizeof(u->origin), "http://%.*s:%u", SLICE_ARGS(host), u->port);
	else
		snprintf(u->origin, sizeof(u->origin), "http:");
}

static enum err read_authority(struct slice authority, struct loopback_url *ret, struct fail *fail)
{
	struct loopback_url u = { .port = HTTP_PORT };
	struct slice host, port;
	ptrdiff_t at = slice_rfind(authority, '@');
	uint64_t number;

	if (at >= 0 && (size_t)at + 1 < authority.n)
		return refuse(fail, "cli callback URL must not include user info");
	if (at >= 0)
		return refuse(fail, NO_HOST);
	if (split(authority, &host, &port))
		return refuse(fail, MALFORMED "malformed host");
	if (host.n == 0)
		return refuse(fail, NO_HOST);
	if (port.n) {
		if (slice_to_u64(port, UINT16_MAX, &number) || number == 0)
			return refuse(fail, MALFORMED "malformed port");
		u.port = (uint16_t)number;
	}
	if (!host_is_loopback(host, slice_starts(authority, S("["))))
		return refuse(fail, "cli callback URL must use a loopback host");
	set_origin(host, &u);
	*ret = u;
	return OK;
}

enum err loopback_url_parse(struct slice text, struct loopback_url *ret, struct fail *fail)
{
	struct slice scheme = S("http:"), rest;
	size_t n = 0;

	if (text.n > LOOPBACK_URL_MAX)
		return refuse(fail, MALFORMED "too long");
	if (!only_url_characters(text))
		return refuse(fail, MALFORMED "characters that no URL has");
	if (!slice_istarts(text, scheme))
		return refuse(fail, "cli callback URL must use http");
	rest = slice_sub(text, scheme.n, text.n);
	if (!slice_starts(rest, S("//")))
		return refuse(fail, NO_HOST);
	rest = slice_sub(rest, 2, rest.n);
	while (n < rest.n && !memchr("/?#", rest.p[n], 3))
		n++;
	if (n == 0)
		return refuse(fail, NO_HOST);
	return read_authority(slice_sub(rest, 0, n), ret, fail);
}
