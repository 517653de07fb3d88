/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2a send, e2a reply. The request is whole before it leaves, so that it can be repeated as it is
 * when its answer was lost.
 */
#include "cli/attach.h"
#include "cli/cli.h"
#include "cli/fields.h"

struct text_options {
	const char *text, *file;
};

/* `reply` has no use for some of them. */
struct send_options {
	struct option_texts to, cc, bcc, attach;
	struct text_options body, html;
	const char *subject, *conversation, *agent;
	bool reply_all;
};

/* A mail that is written. */
struct draft {
	const struct send_options *o;
	struct buf body, html;
	struct attach_files files;
	struct buf request;
};

static void draft_init(struct draft *d, const struct send_options *o)
{
	*d = (struct draft){ .o = o };
	buf_init(&d->body, ATTACH_REQUEST_MAX);
	buf_init(&d->html, ATTACH_REQUEST_MAX);
	buf_init(&d->request, ATTACH_REQUEST_MAX);
}

static void draft_release(struct draft *d)
{
	attach_close(&d->files);
	buf_release(&d->body);
	buf_release(&d->html);
	buf_release(&d->request);
}

/* ---- reading ---- */

static bool is_standard_input(const char *path)
{
	return path && slice_eq(slice_str(path), S("-"));
}

static enum err check_options(struct cli *c, const struct send_options *o, struct fail *fail)
{
	if (!o->body.text && !o->body.file)
		return cli_usage(c, fail, "--body or --body-file is missing");
	if (is_standard_input(o->body.file) && is_standard_input(o->html.file))
		return cli_usage(c, fail, "only one text can come from standard input");
	return OK;
}

static enum err read_text(const struct text_options *o, struct buf *ret, struct fail *fail)
{
	if (o->file)
		return attach_text(o->file, ret, fail);
	buf_add_str(ret, o->text ? o->text : "");
	return OK;
}

static enum err read_draft(struct draft *d, struct cli *c, struct fail *fail)
{
	const struct send_options *o = d->o;
	enum err e = read_text(&o->body, &d->body, fail);

	if (e == OK)
		e = read_text(&o->html, &d->html, fail);
	if (e == OK)
		e = attach_open(o->attach.v, o->attach.n, d->body.len + d->html.len, &c->arena,
				&d->files, fail);
	return e;
}

/* ---- writing ---- */

static void write_text(struct jsonw *w, const char *key, const char *value)
{
	if (value)
		jsonw_key_text(w, key, slice_str(value));
}

static void write_list(struct jsonw *w, const char *key, const struct option_texts *list)
{
	if (list->n == 0)
		return;
	jsonw_key(w, key);
	jsonw_array(w);
	for (size_t i = 0; i < list->n; i++)
		jsonw_text(w, slice_str(list->v[i]));
	jsonw_array_end(w);
}

static void write_fields(struct jsonw *w, const struct draft *d)
{
	const struct send_options *o = d->o;

	write_list(w, "to", &o->to);
	write_list(w, "cc", &o->cc);
	write_list(w, "bcc", &o->bcc);
	write_text(w, "subject", o->subject);
	jsonw_key_text(w, "body", buf_slice(&d->body));
	if (d->html.len)
		jsonw_key_text(w, "html_body", buf_slice(&d->html));
	write_text(w, "conversation_id", o->conversation);
	if (o->reply_all)
		jsonw_key_bool(w, "reply_all", true);
}

static enum err write_request(struct draft *d, const char *from, struct fail *fail)
{
	enum err e = OK;
	struct jsonw w;

	jsonw_init(&w, &d->request);
	jsonw_object(&w);
	write_text(&w, "from", from);
	write_fields(&w, d);
	if (d->files.n) {
		jsonw_key(&w, "attachments");
		e = attach_write(&d->files, &w, fail);
	}
	jsonw_object_end(&w);
	if (e == OK && buf_failed(&d->request))
		e = fail_set(fail, ERR_TOO_BIG, "too much for one mail");
	return e;
}

/* ---- sending ---- */

static void print_sent(struct cli *c, const struct doc *answer)
{
	struct slice until = fields_time(answer, "approval_expires_at", &c->arena);
	bool held = slice_eq(doc_text(answer, "status"), S("pending_approval"));

	if (c->json) {
		out_doc(&c->out, answer, DOC_PRETTY);
		return;
	}
	out_str(&c->out, held ? "Waiting for approval: " : "Sent: ");
	out_line(&c->out, doc_text(answer, "message_id"));
	if (held && until.n) {
		out_str(&c->out, " (until ");
		out_line(&c->out, until);
		out_str(&c->out, ")");
	}
	out_str(&c->out, "\n");
}

static enum err post(struct cli *c, const char *path, const char *from, struct fail *fail)
{
	AUTO(draft_release) struct draft d;
	AUTO(doc_freep) struct doc *answer = NULL;
	struct api_request q = { .method = "POST", .path = path, .creates = true };
	enum err e;

	draft_init(&d, c->options);
	e = read_draft(&d, c, fail);
	if (e == OK)
		e = write_request(&d, from, fail);
	if (e)
		return e;
	q.body = buf_slice(&d.request);
	e = cli_call(c, &q, &answer, fail);
	if (e == OK)
		print_sent(c, answer);
	return e;
}

/* Without an agent the server decides: an account may have only one. */
static enum err run_send(struct cli *c, struct fail *fail)
{
	const struct send_options *o = c->options;
	const char *agent = NULL;
	enum err e = check_options(c, o, fail);

	if (e == OK && o->to.n + o->cc.n == 0)
		e = cli_usage(c, fail, "--to is missing");
	if (e == OK && (o->agent || c->config.value[CONFIG_AGENT_EMAIL]))
		e = cli_agent(c, o->agent, &agent, fail);
	return e ? e : post(c, "/api/v1/send", agent, fail);
}

static enum err run_reply(struct cli *c, struct fail *fail)
{
	const struct send_options *o = c->options;
	const char *agent;
	enum err e = check_options(c, o, fail);

	if (e || (e = cli_id(c, c->args[0], "id", fail)) ||
	    (e = cli_agent(c, o->agent, &agent, fail)))
		return e;
	return post(c,
		    api_path(&c->arena, "/api/v1/agents/%s/messages/%s/reply", agent, c->args[0]),
		    NULL, fail);
}

/* ---- tables ---- */

#define FIELD(name) offsetof(struct send_options, name)
#define ADDRESSES(field, what)                                                                     \
	{                                                                                          \
		.name = #field, .value = "ADDRESS", .type = OPTION_TEXTS, .offset = FIELD(field),  \
		.help = what                                                                       \
	}
#define TEXTS                                                                                      \
	{ .name = "body",                                                                          \
	  .value = "TEXT",                                                                         \
	  .type = OPTION_TEXT,                                                                     \
	  .offset = FIELD(body.text),                                                              \
	  .excludes = "body-file",                                                                 \
	  .help = "the plain text" },                                                              \
		{ .name = "body-file",                                                             \
		  .value = "FILE",                                                                 \
		  .type = OPTION_TEXT,                                                             \
		  .offset = FIELD(body.file),                                                      \
		  .completes = COMPLETE_FILE,                                                      \
		  .help = "the plain text in a file; - is standard input" },                       \
		{ .name = "html-body",                                                             \
		  .value = "HTML",                                                                 \
		  .type = OPTION_TEXT,                                                             \
		  .offset = FIELD(html.text),                                                      \
		  .excludes = "html-body-file",                                                    \
		  .help = "an HTML version beside it" },                                           \
		{ .name = "html-body-file",                                                        \
		  .value = "FILE",                                                                 \
		  .type = OPTION_TEXT,                                                             \
		  .offset = FIELD(html.file),                                                      \
		  .completes = COMPLETE_FILE,                                                      \
		  .help = "the HTML version in a file; - is standard input" },                     \
		{ .name = "attach",                                                                \
		  .value = "FILE",                                                                 \
		  .type = OPTION_TEXTS,                                                            \
		  .offset = FIELD(attach),                                                         \
		  .completes = COMPLETE_FILE,                                                      \
		  .help = "a file to go with it" },                                                \
	{                                                                                          \
		.name = "conversation", .value = "ID", .type = OPTION_TEXT,                        \
		.offset = FIELD(conversation), .help = "the conversation that it belongs to"       \
	}
#define AGENT(what)                                                                                \
	{                                                                                          \
		.name = "agent", .value = "A", .type = OPTION_TEXT, .offset = FIELD(agent),        \
		.completes = COMPLETE_AGENT, .help = what                                          \
	}

static const struct option send_options[] = {
	ADDRESSES(to, "a recipient"),
	ADDRESSES(cc, "one who gets a copy"),
	ADDRESSES(bcc, "one who gets a copy that the others do not see"),
	{ .name = "subject",
	  .value = "TEXT",
	  .type = OPTION_TEXT,
	  .required = true,
	  .offset = FIELD(subject),
	  .help = "the subject" },
	TEXTS,
	AGENT("the agent that writes"),
	{ 0 },
};

static const struct option reply_options[] = {
	{ .name = "reply-all",
	  .type = OPTION_FLAG,
	  .offset = FIELD(reply_all),
	  .help = "to all whom the mail went to" },
	ADDRESSES(cc, "one more who gets a copy"),
	ADDRESSES(bcc, "one who gets a copy that the others do not see"),
	TEXTS,
	AGENT("the agent whose mail it is"),
	{ 0 },
};

#define HELD                                                                                       \
	"Prints the Message-ID of what is sent, or the id of what waits for approval first.\n"     \
	"A request whose answer was lost is sent again only where that sends no second mail."

const struct command send_commands[] = {
	{ .name = "reply",
	  .args = "<id>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Answer a mail.",
	  .details = HELD,
	  .run = run_reply,
	  .options = reply_options,
	  .options_size = sizeof(struct send_options) },
	{ .name = "send",
	  .args = "",
	  .help = "Send a mail.",
	  .details = HELD,
	  .run = run_send,
	  .options = send_options,
	  .options_size = sizeof(struct send_options) },
	{ 0 },
};
