/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at a request head. It is stricter than any server: what it calls a
 * handshake is passed to the WebSocket library, and both must read it alike.
 */
#include "apid/head.h"

#include "apid/auth.h"
#include "apid/cookie.h"
#include "apid/target.h"
#include "apid/upgrade.h"
#include "common/base/mem.h"

enum { FIELDS_MAX = 100 };

/* Length of the head with its empty line, or 0. */
static size_t head_length(struct slice bytes)
{
	ptrdiff_t crlf = slice_search(bytes, S("\r\n\r\n"));
	ptrdiff_t lf = slice_search(bytes, S("\n\n"));

	if (lf >= 0 && (crlf < 0 || lf < crlf))
		return (size_t)lf + 2;
	return crlf < 0 ? 0 : (size_t)crlf + 4;
}

/* Cuts a line that ends with CR LF and holds no other control character but tabs. */
static bool cut_line(struct slice *rest, struct slice *ret)
{
	struct slice line = slice_of(NULL, 0);

	if (!slice_cut(rest, '\n', &line) || !slice_ends(line, S("\r")))
		return false;
	line.n--;
	for (size_t i = 0; i < line.n; i++)
		if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
			return false;
	*ret = line;
	return true;
}

static bool is_name(struct slice s)
{
	return s.n > 0 && slice_only(s, "-_");
}

/* "GET <target> HTTP/1.1", one space each. */
static bool read_request_line(struct slice line, struct upgrade *u, struct slice *ret_target)
{
	if (!slice_cut(&line, ' ', &u->method) || !slice_cut(&line, ' ', ret_target))
		return false;
	u->http_1_1 = slice_eq(line, S("HTTP/1.1"));
	return u->http_1_1;
}

/* The fields beside those of the upgrade. Each may come once. */
struct fields {
	struct slice authorization, cookie;
	struct origin origin;
};

static bool keep_field(struct fields *f, struct slice name, struct slice value)
{
	const struct {
		struct slice name;
		struct slice *at;
	} known[] = {
		{ S("Authorization"), &f->authorization },
		{ S("Cookie"), &f->cookie },
		{ S("Host"), &f->origin.host },
		{ S("Origin"), &f->origin.origin },
		{ S("Sec-Fetch-Site"), &f->origin.sec_fetch_site },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!slice_ieq(name, known[i].name))
			continue;
		if (known[i].at->p)
			return false;
		*known[i].at = slice_trim(value);
	}
	return true;
}

/* False for what a handshake does not have: folds, odd names, a body, two credentials. */
static bool read_fields(struct slice rest, struct upgrade *u, struct fields *f)
{
	struct slice line, name;
	size_t n = 0;

	while (cut_line(&rest, &line) && line.n) {
		if (++n > FIELDS_MAX || !slice_cut(&line, ':', &name) || !is_name(name) || !line.p)
			return false;
		if (slice_ieq(name, S("Content-Length")) || slice_ieq(name, S("Transfer-Encoding")))
			return false;
		upgrade_field(u, name, line);
		if (!keep_field(f, name, line))
			return false;
	}
	return line.n == 0 && rest.n == 0 && f->origin.host.p;
}

static bool read_path(struct slice raw, struct arena *a, struct target *ret)
{
	return target_parse(raw, a, ret) == OK && ret->canonical && ret->n == 5 && !ret->deep &&
	       slice_eq(ret->segment[0], S("api")) && slice_eq(ret->segment[1], S("v1")) &&
	       slice_eq(ret->segment[2], S("agents")) && ret->segment[3].n > 0 &&
	       slice_eq(ret->segment[4], S("ws"));
}

void head_credential(struct head *h, struct slice query_token, struct slice authorization,
		     struct slice cookie)
{
	h->token = query_token.n ? query_token : auth_token(authorization);
	h->session = h->token.n || authorization.n ? slice_of(NULL, 0)
						   : cookie_find(cookie, S(AUTH_SESSION_COOKIE));
}

enum head_kind head_look(struct slice bytes, struct arena *a, struct head *ret)
{
	size_t n = head_length(bytes);
	struct slice rest = slice_sub(bytes, 0, n);
	struct slice line = slice_of(NULL, 0), target = line;
	struct fields f = { 0 };
	struct upgrade u = { 0 };
	struct target t;

	if (n == 0)
		return HEAD_MORE;
	if (!cut_line(&rest, &line) || !read_request_line(line, &u, &target) ||
	    !read_fields(rest, &u, &f) || upgrade_check(&u) != UPGRADE_OK ||
	    !read_path(target, a, &t))
		return HEAD_HTTP;
	ret->agent = t.segment[3];
	ret->origin = f.origin;
	ret->only_new = target_query(&t, S("new")).n > 0;
	head_credential(ret, target_query(&t, S("token")), f.authorization, f.cookie);
	return HEAD_UPGRADE;
}
