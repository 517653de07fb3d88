/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The suppression list: what is on it, and taking an address off it. Putting one
 * on it is not for clients: only a report about a mail that left here does that.
 */
#include "apid/handlers.h"
#include "apid/page_query.h"
#include "common/mail/addr.h"
#include "common/store/store_suppression.h"

#define NO_ADDRESS "address must be an e-mail address"

static void write_one(struct jsonw *w, const struct store_suppression *s)
{
	jsonw_object(w);
	jsonw_key_text(w, "address", s->address);
	jsonw_key_text(w, "reason", s->reason);
	jsonw_key_text(w, "code", s->code);
	jsonw_key_text(w, "detail", s->detail);
	jsonw_key_text_or_null(w, "message_id", s->message_id);
	resp_key_time(w, "created_at", s->created_us);
	jsonw_object_end(w);
}

static void write_list(struct req *r, const struct store_suppression *v, size_t n,
		       const struct page_token *next)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "suppressions");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_one(w, &v[i]);
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	jsonw_object_end(w);
}

static void list_all(struct req *r)
{
	struct slice list = S("suppressions");
	struct store_suppression *v;
	struct page_token token;
	struct fail fail = { 0 };
	bool more;
	size_t n;

	if (!page_query_token(r, list, S(""), &token))
		return;
	if (store_suppression_list(r->db, r->principal.user_id,
				   &(struct store_suppression_key){ token.created_us, token.id },
				   page_query_size(r), &r->arena, &v, &n, &more, &fail)) {
		req_fail(r, &fail, "failed to list suppressions");
		return;
	}
	if (more)
		token = (struct page_token){ .created_us = v[n - 1].created_us,
					     .id = v[n - 1].address,
					     .filter = list };
	write_list(r, v, n, more ? &token : NULL);
}

static void list_one(struct req *r, struct slice address)
{
	struct store_suppression s;
	struct fail fail = { 0 };
	enum err e =
		store_suppression_find(r->db, r->principal.user_id, address, &r->arena, &s, &fail);

	if (e == OK || e == ERR_NOT_FOUND)
		write_list(r, &s, e == OK, NULL);
	else
		req_fail(r, &fail, "failed to list suppressions");
}

void suppression_list(struct req *r)
{
	struct slice asked = slice_trim(target_query(&r->target, S("address")));
	struct page_token token;
	struct slice address;

	if (asked.n == 0)
		list_all(r);
	else if (addr_fold(asked, &r->arena, &address))
		resp_error(&r->resp, 400, NO_ADDRESS);
	else if (page_query_token(r, S("suppression"), S(""), &token))
		list_one(r, address);
}

static void delete_one(struct req *r, struct slice address)
{
	struct fail fail = { 0 };
	enum err e = store_suppression_delete(r->db, r->principal.user_id, address, &fail);

	if (e == OK)
		resp_empty(&r->resp, 204);
	else if (e == ERR_NOT_FOUND)
		req_deny(r);
	else
		req_fail(r, &fail, "failed to delete suppression");
}

void suppression_delete(struct req *r)
{
	struct slice address;

	if (addr_fold(r->param[0], &r->arena, &address))
		req_deny(r);
	else
		delete_one(r, address);
}

/* An address with a '/' fits into no path. */
void suppression_delete_asked(struct req *r)
{
	struct slice asked = slice_trim(target_query(&r->target, S("address"))), address;

	if (addr_fold(asked, &r->arena, &address))
		resp_error(&r->resp, 400, NO_ADDRESS);
	else
		delete_one(r, address);
}
