/* SPDX-License-Identifier: Apache-2.0 */
/* e2a inbox: one page of an agent's mail. It marks nothing as read. */
#include "cli/cli.h"
#include "cli/fields.h"
#include "cli/mail.h"
#include "cli/table.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100 };

struct inbox_options {
	bool unread, read;
	struct option_number limit;
	const char *token, *agent;
};

static const struct table_column columns[] = {
	{ "ID", 0 },
	{ "FROM", 40 },
	{ "SUBJECT", 60 },
	{ "TIME", 0 },
};

static void print_table(struct cli *c, const struct doc *messages)
{
	AUTO(table_freep) struct table *t = table_new(columns, ARRAY_LEN(columns));

	for (size_t i = 0; i < doc_count(messages); i++) {
		const struct doc *m = doc_at(messages, i);

		table_cell(t, doc_text(m, "message_id"));
		table_cell(t, mail_field_text(doc_text(m, "from"), &c->arena));
		table_cell(t, mail_field_text(doc_text(m, "subject"), &c->arena));
		table_cell(t, fields_time(m, "created_at", &c->arena));
	}
	table_print(t, &c->out);
}

static void print_page(struct cli *c, const struct doc *answer)
{
	const struct doc *messages = doc_get(answer, "messages");
	struct slice next = doc_text(answer, "next_token");
	size_t n = doc_count(messages);

	if (n == 0 && next.n == 0) {
		out_str(&c->out, "No messages.\n");
		return;
	}
	if (n)
		print_table(c, messages);
	out_strf(&c->out, "\n%zu message%s", n, n == 1 ? "" : "s");
	if (next.n) {
		out_str(&c->out, "; there are more: --token ");
		out_line(&c->out, next);
	}
	out_str(&c->out, "\n");
}

static enum err run_inbox(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	const struct inbox_options *o = c->options;
	struct api_request q = { 0 };
	const char *agent;
	enum err e = cli_agent(c, o->agent, &agent, fail);
	const struct api_param params[] = {
		{ "status", o->unread ? "unread"
			    : o->read ? "read"
				      : "all" },
		{ "page_size",
		  arena_printf(&c->arena, "%lld",
			       o->limit.given ? (long long)o->limit.v : (long long)LIMIT_DEFAULT) },
		{ "token", o->token },
		{ 0 },
	};

	if (e)
		return e;
	q.path = api_query(&c->arena, api_path(&c->arena, "/api/v1/agents/%s/messages", agent),
			   params);
	e = cli_call(c, &q, &answer, fail);
	if (e == OK && c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else if (e == OK)
		print_page(c, answer);
	return e;
}

#define FIELD(name) offsetof(struct inbox_options, name)

static const struct option options[] = {
	{ .name = "unread",
	  .type = OPTION_FLAG,
	  .offset = FIELD(unread),
	  .excludes = "read",
	  .help = "only mail that was not read yet" },
	{ .name = "read",
	  .type = OPTION_FLAG,
	  .offset = FIELD(read),
	  .help = "only mail that was read" },
	{ .name = "limit",
	  .value = "N",
	  .type = OPTION_NUMBER,
	  .offset = FIELD(limit),
	  .min = 1,
	  .max = LIMIT_MAX,
	  .help = "how many at most, 20 by default" },
	{ .name = "token",
	  .value = "T",
	  .type = OPTION_TEXT,
	  .offset = FIELD(token),
	  .help = "go on behind the page that gave this token" },
	{ .name = "agent",
	  .value = "A",
	  .type = OPTION_TEXT,
	  .offset = FIELD(agent),
	  .completes = COMPLETE_AGENT,
	  .help = "the agent whose mail it is" },
	{ 0 },
};

const struct command inbox_commands[] = {
	{ .name = "inbox",
	  .args = "",
	  .help = "List the mail of an agent.",
	  .details = "Mail stands in the order in which it came. Nothing is marked as read.",
	  .run = run_inbox,
	  .options = options,
	  .options_size = sizeof(struct inbox_options) },
	{ 0 },
};
