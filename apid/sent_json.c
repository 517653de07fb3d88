/* SPDX-License-Identifier: Apache-2.0 */
/* Mail that an agent wrote as JSON. What is empty is absent, as clients expect it. */
#include "apid/sent_json.h"

#include "apid/page_query.h"

static void key_text(struct jsonw *w, const char *key, struct slice s)
{
	if (s.n)
		jsonw_key_text(w, key, s);
}

static void key_texts(struct jsonw *w, const char *key, const struct slice *v, size_t n)
{
	if (n)
		resp_key_texts(w, key, v, n);
}

static void key_seconds(struct jsonw *w, const char *key, int64_t t_us)
{
	if (t_us)
		resp_key_seconds(w, key, t_us);
}

static void write_recipients(struct jsonw *w, const struct store_sent *m)
{
	jsonw_key(w, "recipients");
	jsonw_array(w);
	for (size_t i = 0; i < m->recipients_n; i++) {
		const struct store_sent_recipient *r = &m->recipients[i];

		jsonw_object(w);
		jsonw_key_text(w, "address", r->address);
		jsonw_key_text(w, "kind", r->kind);
		jsonw_key_text(w, "status", r->status);
		jsonw_key_text(w, "code", r->code);
		jsonw_key_text(w, "detail", r->detail);
		resp_key_seconds(w, "updated_at", r->updated_us);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void write_hold(struct jsonw *w, const struct store_sent *m)
{
	key_text(w, "hold_reason", m->hold_reason);
	key_seconds(w, "approval_expires_at", m->approval_expires_us);
}

static void write_decision(struct jsonw *w, const struct store_sent *m)
{
	key_seconds(w, "reviewed_at", m->reviewed_us);
	key_text(w, "reviewed_by", m->reviewed_by);
	key_text(w, "review_channel", m->review_channel);
	key_text(w, "rejection_reason", m->rejection_reason);
	if (m->edited)
		jsonw_key_bool(w, "edited", true);
}

/* What was asked for, and the state of it. */
static void write_summary(struct jsonw *w, const struct store_sent *m)
{
	jsonw_key_text(w, "id", m->id);
	jsonw_key_text(w, "agent_id", m->agent);
	jsonw_key_text(w, "direction", S("outbound"));
	jsonw_key_text(w, "subject", m->subject);
	key_text(w, "type", m->type);
	key_text(w, "conversation_id", m->conversation_id);
	resp_key_texts(w, "to", m->to, m->to_n);
	key_texts(w, "cc", m->cc, m->cc_n);
	key_texts(w, "bcc", m->bcc, m->bcc_n);
	jsonw_key_text(w, "status", m->status);
	resp_key_seconds(w, "created_at", m->created_us);
}

static void write_course(struct jsonw *w, const struct store_sent *m)
{
	jsonw_key_text(w, "provider_message_id", m->message_id);
	jsonw_key_text(w, "method", S("smtp"));
	write_recipients(w, m);
}

void sent_json_keys(struct jsonw *w, const struct store_sent *m, enum sent_view view)
{
	write_summary(w, m);
	if (view != SENT_FOR_AGENT)
		write_hold(w, m);
	if (view == SENT_HELD)
		return;
	key_text(w, "email_message_id", m->in_reply_to);
	if (view == SENT_FOR_ACCOUNT)
		write_decision(w, m);
	if (m->left)
		write_course(w, m);
}

void sent_json_page(struct req *r, const struct store_sent *v, size_t n, enum sent_view view,
		    const struct page_token *next)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "messages");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(w);
		sent_json_keys(w, &v[i], view);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	jsonw_object_end(w);
}
