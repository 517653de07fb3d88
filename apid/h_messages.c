/* SPDX-License-Identifier: Apache-2.0 */
/* The mail of one agent, in pages, and its conversations. Nothing is marked read here. */
#include "apid/handlers.h"
#include "apid/message_news.h"
#include "apid/message_page.h"
#include "apid/message_query.h"

#define CONVERSATIONS S("conversations")

/* One page, and where the next begins. */
static void list_page(struct req *r, struct slice list, struct store_message_page *page,
		      const struct page_token *token)
{
	struct page_token next_token = *token;
	struct store_message_next next;
	struct store_message *v;
	struct fail fail = { 0 };
	size_t n;

	page->after = (struct store_message_key){ token->created_us, token->id };
	if (store_message_list(r->db, page, &r->arena, &v, &n, &next, &fail)) {
		req_fail(r, &fail, "failed to fetch messages");
		return;
	}
	next_token.created_us = next.key.created_us;
	next_token.id = next.key.id;
	next_token.filter = list;
	next_token.agent = page->agent;
	message_page_write(r, v, n, next.more ? &next_token : NULL, NULL);
}

void message_list(struct req *r)
{
	struct store_message_page page = { .user_id = r->principal.user_id };
	struct message_wait wait;
	struct store_agent agent;
	struct page_token token;
	struct slice list;

	if (!req_agent(r, &agent) || !message_query_filters(r, &page, &list) ||
	    !message_query_wait(r, &page, &wait) || !page_query_token(r, list, agent.email, &token))
		return;
	page.agent = agent.email;
	if (wait.given || token.told.snapshot.n || token.upto.snapshot.n)
		message_news(r, &agent, list, &page, &token, wait.ms);
	else
		list_page(r, list, &page, &token);
}

static void write_conversation(struct jsonw *w, const struct store_conversation *c)
{
	jsonw_object(w);
	jsonw_key_text(w, "conversation_id", c->last.conversation_id);
	jsonw_key_text(w, "subject", c->last.subject);
	jsonw_key_text(w, "last_message_id", c->last.id);
	resp_key_seconds(w, "last_message_at", c->last.created_us);
	jsonw_key_text(w, "last_from", c->last.from);
	jsonw_key_int(w, "message_count", c->messages);
	jsonw_key_bool(w, "message_count_capped", c->capped);
	jsonw_key_int(w, "unread_count", c->unread);
	jsonw_key_bool(w, "unread_count_capped", c->capped);
	jsonw_object_end(w);
}

static void write_conversations(struct req *r, const struct store_conversation *v, size_t n,
				const struct page_token *next)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "conversations");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_conversation(w, &v[i]);
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	jsonw_object_end(w);
}

void conversation_list(struct req *r)
{
	struct store_conversation_page page = { .user_id = r->principal.user_id,
						.limit = page_query_size(r) };
	struct store_conversation *v;
	struct store_message_next next;
	struct store_agent agent;
	struct page_token token;
	struct fail fail = { 0 };
	int64_t as_of_us;
	size_t n;

	if (!req_agent(r, &agent) || !page_query_token(r, CONVERSATIONS, agent.email, &token))
		return;
	page.agent = agent.email;
	page.after = (struct store_message_key){ token.created_us, token.id };
	page.as_of_us = token.as_of_us ? token.as_of_us : INT64_MAX;
	if (store_conversation_list(r->db, &page, &r->arena, &v, &n, &next, &as_of_us, &fail)) {
		req_fail(r, &fail, "failed to fetch conversations");
		return;
	}
	token = (struct page_token){ .created_us = next.key.created_us,
				     .id = next.key.id,
				     .filter = CONVERSATIONS,
				     .agent = agent.email,
				     .as_of_us = as_of_us };
	write_conversations(r, v, n, next.more ? &token : NULL);
}
