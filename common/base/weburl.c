/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of webhook URLs. It must never accept a text that an HTTP client
 * could read as another host than the one found here.
 */
#include "common/base/weburl.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '\\')
			return false;
	return true;
}

static bool valid_label(struct slice label)
{
	if (label.n == 0 || label.n > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_name_char(label.p[i]))
			return false;
	return true;
}

/* What inet_aton(3) would take for a part of an IPv4 address. */
static bool numeric_label(struct slice label)
{
	bool hex = slice_istarts(label, S("0x"));

	for (size_t i = hex ? 2 : 0; i < label.n; i++)
		if (!is_digit(label.p[i]) && !(hex && strchr("abcdefABCDEF", label.p[i])))
			return false;
	return true;
}

static bool valid_name(struct slice host)
{
	struct slice rest = host, label = host;

	if (host.n > HOST_MAX)
		return false;
	if (slice_ends(rest, S(".")))
		rest.n--;
	while (slice_cut(&rest, '.', &label))
		if (!valid_label(label))
			return false;
	return !numeric_label(label);
}

/* "host", "host:port", "[address]", "[address]:port" */
static enum err read_authority(struct slice authority, struct weburl *u, struct fail *fail)
{
	struct slice rest = authority;
	bool bracket = slice_starts(authority, S("["));
	uint64_t port;

	if (slice_find(authority, '@') >= 0)
		return fail_set(fail, ERR_INPUT, "webhook URL must not carry user information");
	if (bracket)
		rest = slice_sub(authority, 1, authority.n);
	if (!slice_cut(&rest, bracket ? ']' : ':', &u->host) || u->host.n == 0)
		return fail_set(fail, ERR_INPUT, "webhook URL must have a host");
	if (bracket && (!rest.p || (rest.n && *rest.p != ':')))
		return fail_set(fail, ERR_INPUT, "invalid URL: malformed host");
	if (bracket)
		rest = slice_sub(rest, 1, rest.n);
	if (rest.n) {
		if (slice_to_u64(rest, UINT16_MAX, &port) || port == 0)
			return fail_set(fail, ERR_INPUT, "invalid URL: malformed port");
		u->port = (uint16_t)port;
	}
	u->literal = netaddr_parse(u->host, &u->address) == OK;
	if (bracket ? !u->literal : !u->literal && !valid_name(u->host))
		return fail_set(fail, ERR_INPUT, "invalid URL: malformed host");
	return OK;
}

enum err weburl_parse(struct slice text, struct weburl *ret, struct fail *fail)
{
	struct weburl u = { .https = slice_istarts(text, S("https://")) };
	struct slice rest;
	size_t n = 0;
	enum err e;

	if (text.n > WEBURL_MAX || !printable(text))
		return fail_set(fail, ERR_INPUT, "invalid URL: too long or not plain ASCII");
	if (!u.https && !slice_istarts(text, S("http://")))
		return fail_set(fail, ERR_INPUT, "webhook URL must use HTTPS");
	u.port = u.https ? 443 : 80;
	rest = slice_sub(text, u.https ? 8 : 7, text.n);
	while (n < rest.n && !memchr("/?#", rest.p[n], 3))
		n++;
	e = read_authority(slice_sub(rest, 0, n), &u, fail);
	if (e)
		return e;
	*ret = u;
	return OK;
}

bool weburl_is_loopback(const struct weburl *u)
{
	return u->literal ? netaddr_is_loopback(&u->address) : slice_ieq(u->host, S("localhost"));
}

bool weburl_port_allowed(uint16_t port)
{
	return port == 80 || port == 443 || port > 1023;
}

struct slice weburl_origin(struct slice url)
{
	size_t n = (size_t)slice_search(url, S("://")) + 3;

	while (n < url.n && !memchr("/?#", url.p[n], 3))
		n++;
	return slice_sub(url, 0, n);
}
