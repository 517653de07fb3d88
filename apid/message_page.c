/* SPDX-License-Identifier: Apache-2.0 */
/* What a list tells of each message: never its text. */
#include "apid/message_page.h"

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
	jsonw_key_text(w, "status", m->status);
	jsonw_key_bool(w, "verified", m->verified);
	if (m->auto_submitted.n)
		jsonw_key_text(w, "auto_submitted", m->auto_submitted);
	resp_key_seconds(w, "created_at", m->created_us);
	jsonw_object_end(w);
}

void message_page_write(struct req *r, const struct store_message *v, size_t n,
			const struct page_token *next, const struct page_token *cursor)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "messages");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_summary(w, &v[i]);
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	if (cursor)
		page_query_write(r, "cursor", cursor);
	jsonw_object_end(w);
}
