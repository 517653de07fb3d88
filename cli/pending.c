/* SPDX-License-Identifier: Apache-2.0 */
/* e2a pending: mail that waits for a human, and the human's decision. */
#include "cli/cli.h"
#include "cli/fields.h"
#include "cli/html_text.h"
#include "cli/pending_edit.h"
#include "cli/size.h"
#include "cli/table.h"
#include "common/base/jsonf.h"

#define MESSAGES "/api/v1/messages"

enum { LIMIT_MAX = 100, HTML_MAX = 64 * 1024 * 1024, REASON_MAX = 1 << 20 };

static enum err find(struct cli *c, struct doc **ret, struct fail *fail)
{
	struct api_request q = { 0 };
	enum err e = cli_id(c, c->args[0], "id", fail);

	q.path = api_path(&c->arena, MESSAGES "/%s", c->args[0]);
	return e ? e : cli_call(c, &q, ret, fail);
}

static enum err decide(struct cli *c, const char *act, struct slice body, struct doc **ret,
		       struct fail *fail)
{
	struct api_request q = { .method = "POST" };
	enum err e = cli_id(c, c->args[0], "id", fail);

	if (body.n)
		q.body = body;
	q.path = api_path(&c->arena, MESSAGES "/%s/%s", c->args[0], act);
	return e ? e : cli_call(c, &q, ret, fail);
}

/* ---- list ---- */

struct list_options {
	struct option_number limit;
	const char *token;
};

static void print_list(struct cli *c, const struct doc *answer)
{
	static const struct table_column columns[] = {
		{ "ID", 0 }, { "AGENT", 30 }, { "TO", 30 }, { "SUBJECT", 50 }, { "UNTIL", 0 },
	};
	AUTO(table_freep) struct table *t = table_new(columns, ARRAY_LEN(columns));
	const struct doc *messages = doc_get(answer, "messages");

	for (size_t i = 0; i < doc_count(messages); i++) {
		const struct doc *m = doc_at(messages, i);
		struct slice to = fields_list(m, "to", &c->arena);

		table_cell(t, doc_text(m, "id"));
		table_cell(t, doc_text(m, "agent_id"));
		table_cell(t, to.n ? to : fields_list(m, "cc", &c->arena));
		table_cell(t, doc_text(m, "subject"));
		table_cell(t, fields_time(m, "approval_expires_at", &c->arena));
	}
	if (doc_count(messages))
		table_print(t, &c->out);
	else
		out_str(&c->out, "Nothing waits for approval.\n");
	if (doc_text(answer, "next_token").n) {
		out_str(&c->out, "\nThere are more: --token ");
		out_line(&c->out, doc_text(answer, "next_token"));
		out_str(&c->out, "\n");
	}
}

static enum err run_list(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	const struct list_options *o = c->options;
	const struct api_param params[] = {
		{ "page_size",
		  o->limit.given ? arena_printf(&c->arena, "%lld", (long long)o->limit.v) : NULL },
		{ "token", o->token },
		{ 0 },
	};
	struct api_request q = { .path = api_query(&c->arena, MESSAGES, params) };
	enum err e = cli_call(c, &q, &answer, fail);

	if (e == OK && c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else if (e == OK)
		print_list(c, answer);
	return e;
}

/* ---- show ---- */

static void print_attachments(struct cli *c, const struct doc *files)
{
	char size[SIZE_TEXT_MAX];

	for (size_t i = 0; i < doc_count(files); i++) {
		const struct doc *file = doc_at(files, i);

		size_text(doc_text(file, "data").n / 4 * 3, size);
		out_str(&c->out, "Attachment: ");
		out_line(&c->out, doc_text(file, "filename"));
		out_str(&c->out, " (");
		out_line(&c->out, doc_text(file, "content_type"));
		out_strf(&c->out, ", about %s)\n", size);
	}
}

static void print_fields(struct cli *c, const struct doc *m)
{
	static const struct {
		const char *label, *name;
		struct slice (*read)(const struct doc *d, const char *name, struct arena *a);
	} rows[] = {
		{ "Id:", "id", fields_list },
		{ "Status:", "status", fields_list },
		{ "Agent:", "agent_id", fields_list },
		{ "Type:", "type", fields_list },
		{ "To:", "to", fields_list },
		{ "Cc:", "cc", fields_list },
		{ "Bcc:", "bcc", fields_list },
		{ "Subject:", "subject", fields_list },
		{ "Conversation:", "conversation_id", fields_list },
		{ "Answers:", "email_message_id", fields_list },
		{ "Written:", "created_at", fields_time },
		{ "Waits until:", "approval_expires_at", fields_time },
		{ "Waits because of:", "hold_reason", fields_list },
		{ "Decided:", "reviewed_at", fields_time },
		{ "Decided by:", "reviewed_by", fields_list },
		{ "Reason:", "rejection_reason", fields_list },
		{ "Message-ID:", "provider_message_id", fields_list },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		out_field(&c->out, rows[i].label, rows[i].read(m, rows[i].name, &c->arena));
	if (doc_bool(m, "edited"))
		out_str(&c->out, "Edited: yes\n");
	print_attachments(c, doc_get(m, "attachments"));
}

static void print_text(struct cli *c, struct slice text)
{
	out_text(&c->out, text);
	if (text.n && text.p[text.n - 1] != '\n')
		out_str(&c->out, "\n");
}

/* Recipients may see the HTML version instead of the text, so whoever decides sees both. */
static void print_bodies(struct cli *c, const struct doc *m)
{
	AUTO(buf_release) struct buf text = BUF_INIT(HTML_MAX);
	struct slice html = doc_text(m, "body_html");

	if (doc_text(m, "body_text").n) {
		out_str(&c->out, "\n");
		print_text(c, doc_text(m, "body_text"));
	}
	if (html.n) {
		out_str(&c->out, "\n---- its HTML version, as text ----\n");
		html_text_of(html, &text);
		print_text(c, buf_slice(&text));
	}
}

static enum err run_show(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *m = NULL;
	enum err e = find(c, &m, fail);

	if (e)
		return e;
	if (c->json) {
		out_doc(&c->out, m, DOC_PRETTY);
	} else {
		print_fields(c, m);
		print_bodies(c, m);
	}
	return OK;
}

/* ---- approve ---- */

struct approve_options {
	bool edit;
	const char *edit_file;
};

static enum err approve_edited(struct cli *c, const struct approve_options *o, struct doc **ret,
			       struct fail *fail)
{
	AUTO(pending_edit_release) struct pending_edit g = { .c = c };
	AUTO(doc_freep) struct doc *mail = NULL;
	enum err e = find(c, &mail, fail);

	if (e == OK && !slice_eq(doc_text(mail, "status"), S("pending_approval")))
		e = fail_set(fail, ERR_CONFLICT, "message is not pending approval");
	if (e == OK)
		e = pending_edit_changes(&g, mail, o->edit, o->edit_file, fail);
	if (e == OK)
		e = decide(c, "approve", buf_slice(&g.body), ret, fail);
	pending_edit_end(&g, e);
	return e;
}

static enum err run_approve(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	const struct approve_options *o = c->options;
	enum err e = o->edit || o->edit_file
			     ? approve_edited(c, o, &answer, fail)
			     : decide(c, "approve", (struct slice){ 0 }, &answer, fail);

	if (e)
		return e;
	if (c->json) {
		out_doc(&c->out, answer, DOC_PRETTY);
		return OK;
	}
	out_str(&c->out, "Approved: ");
	out_line(&c->out, slice_str(c->args[0]));
	out_str(&c->out, " \xe2\x86\x92 ");
	out_line(&c->out, doc_text(answer, "provider_message_id"));
	out_str(&c->out, doc_bool(answer, "edited") ? " (with edits)\n" : "\n");
	return OK;
}

/* ---- reject ---- */

struct reject_options {
	const char *reason;
};

static enum err run_reject(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	AUTO(buf_release) struct buf body = BUF_INIT(REASON_MAX);
	const struct reject_options *o = c->options;
	struct jsonw w;
	enum err e;

	jsonw_init(&w, &body);
	jsonw_object(&w);
	if (o->reason)
		jsonw_key_text(&w, "reason", slice_str(o->reason));
	jsonw_object_end(&w);
	e = decide(c, "reject", buf_slice(&body), &answer, fail);
	if (e == OK && c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	if (e == OK && !c->json) {
		out_str(&c->out, "Rejected: ");
		out_line(&c->out, slice_str(c->args[0]));
		out_str(&c->out, "\n");
	}
	return e;
}

/* ---- tables ---- */

static const struct option list_options[] = {
	{ .name = "limit",
	  .value = "N",
	  .type = OPTION_NUMBER,
	  .offset = offsetof(struct list_options, limit),
	  .min = 1,
	  .max = LIMIT_MAX,
	  .help = "how many at most, 100 by default" },
	{ .name = "token",
	  .value = "T",
	  .type = OPTION_TEXT,
	  .offset = offsetof(struct list_options, token),
	  .help = "go on behind the page that gave this token" },
	{ 0 },
};

static const struct option approve_options[] = {
	{ .name = "edit",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct approve_options, edit),
	  .help = "change subject, recipients and text first, in $VISUAL, $EDITOR or vi" },
	{ .name = "edit-file",
	  .value = "FILE",
	  .type = OPTION_TEXT,
	  .offset = offsetof(struct approve_options, edit_file),
	  .completes = COMPLETE_FILE,
	  .help = "take them from what an earlier --edit has left; with --edit, edit that" },
	{ 0 },
};

static const struct option reject_options[] = {
	{ .name = "reason",
	  .value = "R",
	  .type = OPTION_TEXT,
	  .offset = offsetof(struct reject_options, reason),
	  .help = "why; it is kept with the mail" },
	{ 0 },
};

const struct command pending_commands[] = {
	{ .name = "pending list",
	  .args = "",
	  .help = "List the mail that waits for approval.",
	  .details = "What is over first stands first.",
	  .run = run_list,
	  .options = list_options,
	  .options_size = sizeof(struct list_options) },
	{ .name = "pending show",
	  .args = "<id>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Print all of such a mail.",
	  .run = run_show },
	{ .name = "pending approve",
	  .args = "<id>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Let it go, as it is or changed.",
	  .details =
		  "Without a change in the editor it is approved as it is. An empty text, or an editor\n"
		  "that ends with an error, approves nothing.",
	  .run = run_approve,
	  .options = approve_options,
	  .options_size = sizeof(struct approve_options) },
	{ .name = "pending reject",
	  .args = "<id>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Refuse it; it is never sent.",
	  .run = run_reject,
	  .options = reject_options,
	  .options_size = sizeof(struct reject_options) },
	{ 0 },
};
