/* SPDX-License-Identifier: Apache-2.0 */
/* The mail of one agent: pages of it, and one message with its bytes and a fresh signature. */
#include "apid/handlers.h"
#include "apid/page_token.h"
#include "apid/raw_source.h"
#include "apid/req.h"
#include "common/base/clock.h"
#include "common/mail/authsig.h"
#include "common/store/store_message.h"
#include "common/store/store_secret.h"

enum {
	PAGE_DEFAULT = 50,
	PAGE_MAX = 100,
	RAW_INLINE_MAX = 96 * 1024, /* larger mails are read while they go out */
};

static const struct {
	const char *name;
	enum store_message_filter filter;
} filters[] = {
	{ "unread", STORE_MESSAGE_UNREAD },
	{ "read", STORE_MESSAGE_READ },
	{ "all", STORE_MESSAGE_ALL },
};

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static bool read_filter(struct req *r, struct slice *ret_name, enum store_message_filter *ret)
{
	struct slice name = target_query(&r->target, S("status"));

	*ret_name = name.n ? name : S("unread");
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		if (slice_eq(*ret_name, slice_str(filters[i].name))) {
			*ret = filters[i].filter;
			return true;
		}
	return bad(r, "status must be 'unread', 'read', or 'all'");
}

/* What is no number, or 0, is as if it were not there; what is too large is cut. */
static int64_t page_size(const struct req *r)
{
	uint64_t n;

	if (slice_to_u64(target_query(&r->target, S("page_size")), INT32_MAX, &n) || n == 0)
		return PAGE_DEFAULT;
	return n > PAGE_MAX ? PAGE_MAX : (int64_t)n;
}

static bool read_token(struct req *r, struct slice filter, struct slice agent,
		       struct store_message_key *ret)
{
	struct slice text = target_query(&r->target, S("token"));
	struct page_token t;

	if (text.n == 0)
		return true;
	if (page_token_read(text, r->principal.user_id, keys_get(r->app->keys, KEY_CURSOR),
			    &r->arena, &t))
		return bad(r, "invalid pagination token");
	if (!slice_eq(t.filter, filter))
		return bad(r, "token was created with different filters \xe2\x80\x94 start a new "
			      "query without a token");
	if (!slice_eq(t.agent, agent))
		return bad(r, "token was created for a different agent \xe2\x80\x94 start a new "
			      "query without a token");
	*ret = (struct store_message_key){ t.created_us, t.id };
	return true;
}

static struct slice status_of(const struct store_message *m)
{
	return m->status.n ? m->status : S("unread");
}

static void write_summary(struct jsonw *w, const struct store_message *m)
{
	jsonw_object(w);
	jsonw_key_text(w, "message_id", m->id);
	jsonw_key_text(w, "from", m->from);
	resp_key_texts(w, "to", m->to, m->to_n);
	if (m->cc_n)
		resp_key_texts(w, "cc", m->cc, m->cc_n);
	if (m->reply_to_n)
		resp_key_texts(w, "reply_to", m->reply_to, m->reply_to_n);
	jsonw_key_text(w, "recipient", m->recipient);
	jsonw_key_text(w, "subject", m->subject);
	if (m->conversation_id.n)
		jsonw_key_text(w, "conversation_id", m->conversation_id);
	jsonw_key_text(w, "status", status_of(m));
	jsonw_key_bool(w, "verified", m->verified);
	resp_key_seconds(w, "created_at", m->created_us);
	jsonw_object_end(w);
}

static void write_next_token(struct req *r, struct jsonw *w, const struct store_message *last,
			     struct slice filter, struct slice agent)
{
	AUTO(buf_release) struct buf token = BUF_INIT(2 * PAGE_TOKEN_MAX);
	struct page_token t = { last->created_us, last->id, filter, agent };

	page_token_write(&t, r->principal.user_id, keys_get(r->app->keys, KEY_CURSOR), &token);
	jsonw_key_text(w, "next_token", buf_slice(&token));
}

void message_list(struct req *r)
{
	struct store_message_page page = { .user_id = r->principal.user_id };
	struct store_agent agent;
	struct store_message *v;
	struct fail fail = { 0 };
	struct slice filter;
	struct jsonw *w;
	size_t n, shown;

	if (!req_agent(r, &agent) || !read_filter(r, &filter, &page.filter) ||
	    !read_token(r, filter, agent.email, &page.after))
		return;
	page.agent = agent.email;
	page.limit = page_size(r) + 1; /* the one more tells whether there is a next page */
	if (store_message_list(r->db, &page, &r->arena, &v, &n, &fail)) {
		req_fail(r, &fail, "failed to fetch messages");
		return;
	}
	shown = n < (size_t)page.limit ? n : n - 1;
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key(w, "messages");
	jsonw_array(w);
	for (size_t i = 0; i < shown; i++)
		write_summary(w, &v[i]);
	jsonw_array_end(w);
	if (shown < n)
		write_next_token(r, w, &v[shown - 1], filter, agent.email);
	jsonw_object_end(w);
}

/* null when there is nothing to sign or nothing to sign with. */
static void write_auth_headers(struct jsonw *w, const struct store_message *m, struct slice secret)
{
	AUTO(buf_release) struct buf hash = BUF_INIT(SHA256_HEX_LEN);
	struct authsig sig = {
		.verified = m->verified,
		.sender = m->sender,
		.entity_type = m->entity_type,
		.domain_check = m->domain_check,
		.time_us = clock_now_us(),
		.message_id = m->id,
	};

	hex_encode(m->sha256, &hash);
	sig.body_hash = buf_slice(&hash);
	jsonw_key(w, "auth_headers");
	if (secret.n && m->sha256.n == SHA256_LEN)
		authsig_json(&sig, secret, w);
	else
		jsonw_null(w);
}

static void write_raw(struct req *r, struct jsonw *w, const struct store_message *m)
{
	jsonw_key(w, "raw_message");
	if (m->raw_id.n == 0) {
		jsonw_null(w);
	} else if (m->raw_size == (int64_t)m->raw_head.n) {
		jsonw_base64(w, m->raw_head);
	} else {
		jsonw_raw(w, S("\"\""));
		r->resp.source =
			raw_source(m->raw_id, m->raw_size, r->resp.body.len - 1, &r->arena);
	}
}

static void write_detail(struct req *r, const struct store_message *m, struct slice secret)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key_text(w, "message_id", m->id);
	jsonw_key_text(w, "from", m->from);
	resp_key_texts(w, "to", m->to, m->to_n);
	jsonw_key(w, "cc");
	if (m->cc_n)
		resp_texts(w, m->cc, m->cc_n);
	else
		jsonw_null(w);
	resp_key_texts(w, "reply_to", m->reply_to, m->reply_to_n);
	jsonw_key_text(w, "recipient", m->recipient);
	jsonw_key_text(w, "subject", m->subject);
	jsonw_key_text(w, "conversation_id", m->conversation_id);
	jsonw_key_text(w, "status", status_of(m));
	jsonw_key_bool(w, "verified", m->verified);
	resp_key_seconds(w, "created_at", m->created_us);
	jsonw_key(w, "authentication");
	if (m->authentication.n)
		jsonw_raw(w, m->authentication);
	else
		jsonw_null(w);
	write_auth_headers(w, m, secret);
	write_raw(r, w, m);
	jsonw_object_end(w);
}

/* The secret comes first: a message is not marked read and then withheld for want of it. */
static enum err read_message(struct req *r, const struct store_message_read *what,
			     struct fail *fail)
{
	AUTO(buf_release) struct buf secret = BUF_INIT(TOKEN_HEX_LEN);
	struct store_message m;
	enum err e = store_secret_newest(r->db, r->app->keys, what->user_id, &secret, fail);

	if (e && e != ERR_NOT_FOUND)
		return e;
	e = store_message_read(r->db, what, &r->arena, &m, fail);
	if (e == OK)
		write_detail(r, &m, buf_slice(&secret));
	if (secret.p)
		crypto_wipe(secret.p, secret.cap);
	return e;
}

void message_get(struct req *r)
{
	struct store_agent agent;
	struct fail fail = { 0 };
	struct store_message_read what = {
		.user_id = r->principal.user_id,
		.id = r->param[1],
		.peek = target_query(&r->target, S("peek")).n > 0,
		.head_max = RAW_INLINE_MAX,
	};
	enum err e;

	if (!req_agent(r, &agent))
		return;
	what.agent = agent.email;
	e = read_message(r, &what, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		resp_error(&r->resp, 404, "message not found");
	else if (e)
		req_fail(r, &fail, "failed to fetch message");
}
