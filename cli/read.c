/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2a read: one mail, decoded from its bytes. Nothing that its sender wrote reaches a terminal or
 * names a file as it is.
 */
#include "cli/cli.h"
#include "cli/fields.h"
#include "cli/mail.h"
#include "cli/save.h"
#include "cli/size.h"
#include "common/base/clock.h"
#include "common/base/encode.h"

#include <unistd.h>

enum { NAMED_MAX = 10 };

struct read_options {
	bool raw;
	const char *save, *agent;
};

/* A mail that was fetched. */
struct reading {
	struct cli *c;
	struct doc *answer;
	struct buf raw;
	bool has_raw;
	struct mail mail;
	const char **saved; /* the name of the file for each part; NULL: none */
};

static void reading_release(struct reading *r)
{
	doc_free(r->answer);
	buf_release(&r->raw);
}

/* ---- fetching ---- */

static enum err decode(struct reading *r, struct fail *fail)
{
	struct slice text = doc_text(r->answer, "raw_message");

	r->has_raw = text.n > 0;
	buf_reserve(&r->raw, text.n / 4 * 3);
	if (base64_decode(text, &r->raw))
		return fail_set(fail, ERR_INPUT, "the server's raw_message is no base64");
	doc_remove(r->answer, "raw_message");
	mail_read(buf_slice(&r->raw), &r->c->arena, &r->mail);
	r->saved = arena_calloc(&r->c->arena, r->mail.tree.n, sizeof(*r->saved));
	return OK;
}

static enum err fetch(struct reading *r, const char *agent_option, struct fail *fail)
{
	struct cli *c = r->c;
	struct api_request q = { 0 };
	const char *agent;
	enum err e = cli_id(c, c->args[0], "id", fail);

	if (e || (e = cli_agent(c, agent_option, &agent, fail)))
		return e;
	q.path = api_path(&c->arena, "/api/v1/agents/%s/messages/%s", agent, c->args[0]);
	e = cli_call(c, &q, &r->answer, fail);
	return e ? e : decode(r, fail);
}

/* ---- saving ---- */

static enum err save_all(struct reading *r, const char *path, struct fail *fail)
{
	AUTO(save_close) struct save_folder folder = { .path = NULL };
	size_t number = 0;
	enum err e = save_open(path, &folder, fail);

	for (size_t i = 0; i < r->mail.tree.n && e == OK; i++)
		if (r->mail.tree.v[i].role == MIME_ATTACHMENT)
			e = save_part(&folder, &r->mail, &r->mail.tree.v[i], ++number, &r->c->arena,
				      &r->saved[i], fail);
	return e;
}

/* ---- for people ---- */

static void print_saved(struct reading *r, const char *path)
{
	struct out *o = &r->c->out;
	char size[SIZE_TEXT_MAX];

	for (size_t i = 0; i < r->mail.tree.n; i++) {
		if (!r->saved[i])
			continue;
		size_text((uint64_t)r->mail.tree.v[i].size, size);
		out_str(o, "Saved: ");
		out_line(o, slice_str(path));
		out_str(o, "/");
		out_line(o, slice_str(r->saved[i]));
		out_strf(o, " (%s)\n", size);
	}
}

static void print_files(struct reading *r)
{
	struct out *o = &r->c->out;
	size_t n = mail_files(&r->mail), shown = 0;

	if (n == 0)
		return;
	out_strf(o, "Attachments: %zu (", n);
	for (size_t i = 0; i < r->mail.tree.n && shown < NAMED_MAX; i++) {
		const struct mime_part *p = &r->mail.tree.v[i];

		if (p->role != MIME_ATTACHMENT)
			continue;
		out_str(o, shown++ ? ", " : "");
		out_line(o, p->filename.n ? p->filename : p->type);
	}
	out_str(o, n > shown ? ", ...)" : ")");
	out_str(o, r->mail.tree.limited ? " and more that are not looked at\n" : "\n");
}

static struct slice verified(const struct doc *answer)
{
	struct slice v = doc_text(doc_get(answer, "auth_headers"), "X-E2A-Auth-Verified");

	return v.n == 0                  ? v
	       : slice_ieq(v, S("true")) ? S("yes, the domain of From permitted it")
					 : S("no");
}

/* What the mail says, or what the server knows of it when its bytes are gone. */
static struct slice field(const struct reading *r, struct slice mine, const char *name)
{
	return r->has_raw ? mine : fields_list(r->answer, name, &r->c->arena);
}

static void print_header(struct reading *r)
{
	struct out *o = &r->c->out;
	const struct mail *m = &r->mail;

	out_field(o, "From:", field(r, m->from, "from"));
	out_field(o, "To:", field(r, m->to, "to"));
	out_field(o, "Cc:", field(r, m->cc, "cc"));
	out_field(o, "Reply-To:", field(r, m->reply_to, "reply_to"));
	out_field(o, "Subject:", field(r, m->subject, "subject"));
	out_field(o, "Date:", field(r, m->date, "created_at"));
	out_field(o, "Verified:", verified(r->answer));
	out_field(o, "Conversation:", doc_text(r->answer, "conversation_id"));
}

static enum err print_mail(struct reading *r, const char *save, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX);
	struct out *o = &r->c->out;

	print_header(r);
	if (save)
		print_saved(r, save);
	else
		print_files(r);
	out_str(o, "\n");
	if (!r->has_raw)
		return fail_set(fail, ERR_NOT_FOUND, "the server has not kept what this mail says");
	if (!mail_text(&r->mail, &text))
		cli_warn("the text is cut, it is too long");
	out_text(o, buf_slice(&text));
	if (text.len && text.p[text.len - 1] != '\n')
		out_str(o, "\n");
	return OK;
}

/* ---- for programs ---- */

static struct doc *file_doc(const struct reading *r, size_t i)
{
	const struct mime_part *p = &r->mail.tree.v[i];
	struct doc *d = doc_object();

	if (p->filename.n)
		doc_set_text(d, "filename", p->filename);
	else
		doc_set_null(d, "filename");
	doc_set_text(d, "content_type", p->type);
	doc_set_int(d, "size", p->size);
	if (p->content_id.n)
		doc_set_text(d, "content_id", p->content_id);
	doc_set_bool(d, "inline", p->shown);
	if (r->saved[i])
		doc_set_text(d, "saved_as", slice_str(r->saved[i]));
	return d;
}

static void set_body(struct doc *d, const char *name, bool any, const struct buf *text)
{
	if (any)
		doc_set_text(d, name, buf_slice(text));
	else
		doc_set_null(d, name);
}

static void set_bodies(struct reading *r)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX), html = BUF_INIT(MAIL_TEXT_MAX);
	bool text_whole = mail_text(&r->mail, &text), html_whole = mail_html(&r->mail, &html);

	set_body(r->answer, "text", r->has_raw, &text);
	doc_set_bool(r->answer, "text_truncated", !text_whole);
	set_body(r->answer, "html", mail_has(&r->mail, MIME_BODY_HTML), &html);
	doc_set_bool(r->answer, "html_truncated", !html_whole);
}

/* The server's answer, with what the bytes say in place of what it may say of them. */
static void print_doc(struct reading *r)
{
	struct doc *files = doc_array(), *d = r->answer;
	char date[CLOCK_TEXT_MAX];

	for (size_t i = 0; i < r->mail.tree.n; i++)
		if (r->mail.tree.v[i].role == MIME_ATTACHMENT)
			doc_add(files, file_doc(r, i));
	set_bodies(r);
	doc_set(d, "attachments", files);
	doc_set_bool(d, "attachments_truncated", r->mail.tree.limited);
	if (r->has_raw)
		doc_set_text(d, "subject", r->mail.subject);
	if (r->mail.has_date) {
		clock_rfc3339_us(r->mail.date_us, date);
		doc_set_text(d, "date", slice_str(date));
	}
	out_doc(&r->c->out, d, DOC_PRETTY);
}

/* ---- the command ---- */

/* To a file or a pipe every byte; a terminal would obey them. */
static enum err print_raw(struct reading *r, struct fail *fail)
{
	if (!r->has_raw)
		return fail_set(fail, ERR_NOT_FOUND,
				"the server has not kept the bytes of this mail");
	if (isatty(STDOUT_FILENO))
		out_text(&r->c->out, buf_slice(&r->raw));
	else
		out_bytes(&r->c->out, buf_slice(&r->raw));
	return OK;
}

static enum err print(struct reading *r, const struct read_options *o, struct fail *fail)
{
	if (o->raw)
		return print_raw(r, fail);
	if (!r->c->json)
		return print_mail(r, o->save, fail);
	print_doc(r);
	return OK;
}

static enum err run_read(struct cli *c, struct fail *fail)
{
	AUTO(reading_release) struct reading r = { .c = c, .raw = BUF_INIT(API_ANSWER_MAX) };
	const struct read_options *o = c->options;
	struct fail unsaved = { 0 };
	enum err e, saved = OK;

	if (o->raw && c->json)
		return cli_usage(c, fail, "--raw and --json exclude each other");
	e = fetch(&r, o->agent, fail);
	if (e)
		return e;
	if (o->save)
		saved = save_all(&r, o->save, &unsaved);
	e = print(&r, o, fail);
	if (saved)
		*fail = unsaved;
	return saved ? saved : e;
}

#define FIELD(name) offsetof(struct read_options, name)

static const struct option options[] = {
	{ .name = "save",
	  .value = "DIR",
	  .type = OPTION_TEXT,
	  .offset = FIELD(save),
	  .completes = COMPLETE_FILE,
	  .help = "write the attachments into this folder; no file is replaced" },
	{ .name = "raw",
	  .type = OPTION_FLAG,
	  .offset = FIELD(raw),
	  .excludes = "save",
	  .help = "print the mail as it came, byte for byte" },
	{ .name = "agent",
	  .value = "A",
	  .type = OPTION_TEXT,
	  .offset = FIELD(agent),
	  .completes = COMPLETE_AGENT,
	  .help = "the agent whose mail it is" },
	{ 0 },
};

const struct command read_commands[] = {
	{ .name = "read",
	  .args = "<id>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Print a mail; it is marked as read.",
	  .details =
		  "Header lines, a blank line, the text. Of mail that is HTML alone the text is made from that.\n"
		  "Characters that a terminal would act on, or that nobody sees, stand as <U+202E>.",
	  .run = run_read,
	  .options = options,
	  .options_size = sizeof(struct read_options) },
	{ 0 },
};
