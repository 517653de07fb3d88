/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says of itself: header fields, cookies, form fields, its
 * client. All of it is hostile text; it is cut up here, not checked.
 */
#include "apid/req.h"

#include "apid/cookie.h"
#include "apid/form_data.h"
#include "apid/origin.h"

enum { FORM_FIELDS_MAX = 64 };

/*
 * Several fields of a name that is a list are one list (RFC 9110 5.3; cookies:
 * RFC 9113 8.2.3). One that is too long is none: its end would be missing.
 */
static void join(struct slice *at, struct buf *joined, const char *separator, struct slice value)
{
	if (joined->len == 0)
		buf_add_slice(joined, *at);
	buf_add_str(joined, separator);
	buf_add_slice(joined, value);
	*at = buf_failed(joined) ? slice_of(NULL, 0) : buf_slice(joined);
}

void req_field(struct req *r, struct slice name, struct slice value)
{
	const struct {
		const char *name;
		struct slice *at;
		struct buf *joined; /* NULL: of several the first */
		const char *separator;
	} known[] = {
		{ "Accept-Encoding", &r->field.accept_encoding, NULL, NULL },
		{ "Authorization", &r->field.authorization, NULL, NULL },
		{ "Content-Type", &r->field.content_type, NULL, NULL },
		{ "Cookie", &r->field.cookie, &r->cookies, "; " },
		{ "Origin", &r->field.origin, NULL, NULL },
		{ "Sec-Fetch-Site", &r->field.sec_fetch_site, NULL, NULL },
		{ "Host", &r->field.host, NULL, NULL },
		{ "Idempotency-Key", &r->field.idempotency_key, NULL, NULL },
		{ "If-None-Match", &r->field.if_none_match, &r->tags, ", " },
		{ "Last-Event-ID", &r->field.last_event_id, NULL, NULL },
		{ "X-Forwarded-For", &r->field.forwarded_for, &r->hops, ", " },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!slice_ieq(name, slice_str(known[i].name)))
			continue;
		if (known[i].at->n == 0 && !(known[i].joined && buf_failed(known[i].joined)))
			*known[i].at = value;
		else if (known[i].joined)
			join(known[i].at, known[i].joined, known[i].separator, value);
	}
}

void req_came_from(struct req *r, const struct client_peer *peer)
{
	char text[NETADDR_TEXT_MAX];

	client_addr_find(peer, r->field.forwarded_for, &r->app->trusted_proxies, &r->client_ip);
	client_addr_text(&r->client_ip, text);
	r->client = slice_str(arena_strdup(&r->arena, text));
}

struct slice req_cookie(const struct req *r, struct slice name)
{
	return cookie_find(r->field.cookie, name);
}

struct slice req_form(struct req *r, struct slice name)
{
	struct slice rest = buf_slice(&r->body), item, key, value;

	if (r->body_bad)
		return slice_of(NULL, 0);
	if (form_data_is(r->field.content_type))
		return form_data_field(r->field.content_type, rest, name, &r->arena);
	for (size_t i = 0; i < FORM_FIELDS_MAX && slice_cut(&rest, '&', &item); i++) {
		slice_cut(&item, '=', &key);
		if (target_decode_form(key, &r->arena, &key) == OK && slice_eq(key, name) &&
		    target_decode_form(item, &r->arena, &value) == OK)
			return value;
	}
	return slice_of(NULL, 0);
}

bool req_same_origin(struct req *r)
{
	const struct origin o = { r->field.sec_fetch_site, r->field.origin, r->field.host };

	if (origin_is_own(&o, slice_str(r->app->settings->public_url)))
		return true;
	resp_error(&r->resp, 403, "cross-site request refused");
	return false;
}

static bool has_whole_form(struct req *r)
{
	if (!r->body_bad)
		return true;
	resp_error(&r->resp, 400, "invalid request body");
	r->resp.close = true;
	return false;
}

bool req_own_form(struct req *r)
{
	return has_whole_form(r) && req_same_origin(r);
}

bool req_link_form(struct req *r)
{
	bool says_nothing = r->field.sec_fetch_site.n == 0 && r->field.origin.n == 0;

	return has_whole_form(r) && (says_nothing || req_same_origin(r));
}
