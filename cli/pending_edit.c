/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a held mail to the changes that somebody wants. Only what differs is sent: characters that
 * the file cannot show as they are stay untouched where nobody touched them.
 */
#include "cli/pending_edit.h"

#include "cli/editor.h"
#include "cli/fields.h"
#include "common/base/jsonf.h"

#include <unistd.h>

enum { MESSAGE_MAX = 64 * 1024 };

/* ---- the text to edit ---- */

static void remark(struct buf *b, const char *label, struct slice value)
{
	buf_addf(b, "# %s", label);
	out_safe_line(b, value);
	buf_add_char(b, '\n');
}

static void add_remarks(const struct pending_edit *g, struct buf *b)
{
	const struct doc *files = doc_get(g->mail, "attachments");

	remark(b, "A mail of ", doc_text(g->mail, "agent_id"));
	remark(b, "It waits until ", fields_time(g->mail, "approval_expires_at", &g->c->arena));
	for (size_t i = 0; i < doc_count(files); i++)
		remark(b, "Attachment: ", doc_text(doc_at(files, i), "filename"));
	buf_add_str(b, "#\n"
		       "# Save and leave the editor: the mail is approved as it stands here.\n"
		       "# Empty the file, or leave the editor with an error: it goes on waiting.\n"
		       "# Recipients stand one on a line, or with commas between them. Characters\n"
		       "# that nobody sees, or that turn text around, stand as <U+202E>.\n");
	if (doc_text(g->mail, "body_html").n)
		buf_add_str(b, "# The mail has an HTML version, which most programs show. It is "
			       "left out\n# when you change the text.\n");
	buf_add_str(b, "#\n");
}

static void take_list(const struct doc *list, struct arena *a, struct edit_list *ret)
{
	*ret = (struct edit_list){ .n = doc_count(list) };
	ret->v = arena_calloc(a, ret->n, sizeof(*ret->v));
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i] = doc_value_text(doc_at(list, i));
}

static enum err write_original(struct pending_edit *g, struct fail *fail)
{
	struct arena *a = &g->c->arena;
	struct edit e = { .subject = doc_text(g->mail, "subject"),
			  .text = doc_text(g->mail, "body_text") };

	buf_init(&g->original, EDIT_BYTES_MAX);
	take_list(doc_get(g->mail, "to"), a, &e.list[EDIT_TO]);
	take_list(doc_get(g->mail, "cc"), a, &e.list[EDIT_CC]);
	take_list(doc_get(g->mail, "bcc"), a, &e.list[EDIT_BCC]);
	add_remarks(g, &g->original);
	edit_write(&e, &g->original);
	if (buf_failed(&g->original))
		return fail_set(fail, ERR_TOO_BIG, "the mail is too large to edit");
	return edit_read(buf_slice(&g->original), a, &g->was, fail);
}

/* ---- what was typed ---- */

/* Opens the editor, if that is wanted, on the file of an earlier run or a new one. */
static enum err let_edit(struct pending_edit *g, bool edit, const char *file, struct fail *fail)
{
	enum err e = OK;

	if (file)
		g->path = mem_strdup(file);
	else
		e = editor_file(buf_slice(&g->original), &g->path, fail);
	g->own_file = !file;
	return e == OK && edit ? editor_run(g->path, fail) : e;
}

static enum err read_typed(struct pending_edit *g, struct fail *fail)
{
	AUTO(buf_release) struct buf typed = BUF_INIT(EDIT_BYTES_MAX);
	struct arena *a = &g->c->arena;
	enum err e = editor_read(g->path, &typed, fail);

	if (e == OK)
		e = edit_read(arena_slice(a, buf_slice(&typed)), a, &g->now, fail);
	g->emptied = e == ERR_NOT_FOUND;
	if (g->emptied ||
	    (e == OK && g->was.text.n && slice_trim(g->now.text).n == 0)) /* nobody means that */
		return fail_set(fail, ERR_INPUT, "not approved, because the text is empty");
	return e;
}

/* ---- what differs ---- */

static enum err write_list(struct pending_edit *g, enum edit_kind kind, const char *name,
			   struct jsonw *w, struct fail *fail)
{
	struct slice *v;
	size_t n;
	enum err e;

	if (edit_same_list(&g->was.list[kind], &g->now.list[kind]))
		return OK;
	e = edit_addresses(&g->now.list[kind], &g->c->arena, &v, &n, fail);
	if (e)
		return e;
	jsonw_key(w, name);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		jsonw_text(w, v[i]);
	jsonw_array_end(w);
	return OK;
}

static void write_text(const struct pending_edit *g, struct jsonw *w)
{
	if (slice_eq(g->was.text, g->now.text))
		return;
	jsonw_key_text(w, "body_text", g->now.text);
	if (doc_text(g->mail, "body_html").n)
		jsonw_key_text(w, "body_html", S(""));
}

static enum err write_changes(struct pending_edit *g, struct fail *fail)
{
	struct jsonw w;
	enum err e;

	buf_init(&g->body, EDIT_BYTES_MAX);
	jsonw_init(&w, &g->body);
	jsonw_object(&w);
	if (!slice_eq(g->was.subject, g->now.subject))
		jsonw_key_text(&w, "subject", g->now.subject);
	if ((e = write_list(g, EDIT_TO, "to", &w, fail)) ||
	    (e = write_list(g, EDIT_CC, "cc", &w, fail)) ||
	    (e = write_list(g, EDIT_BCC, "bcc", &w, fail)))
		return e;
	write_text(g, &w);
	jsonw_object_end(&w);
	if (slice_eq(buf_slice(&g->body), S("{}")))
		buf_reset(&g->body);
	return buf_failed(&g->body) ? fail_set(fail, ERR_TOO_BIG, "the text is too long") : OK;
}

enum err pending_edit_changes(struct pending_edit *g, const struct doc *mail, bool edit,
			      const char *file, struct fail *fail)
{
	enum err e;

	g->mail = mail;
	e = write_original(g, fail);
	if (e == OK)
		e = let_edit(g, edit, file, fail);
	if (e == OK)
		e = read_typed(g, fail);
	return e ? e : write_changes(g, fail);
}

/* ---- the end ---- */

/* Is there anything in the file that somebody could want again? */
static bool is_wanted(const struct pending_edit *g)
{
	AUTO(buf_release) struct buf typed = BUF_INIT(EDIT_BYTES_MAX);

	if (g->emptied || editor_read(g->path, &typed, NULL) == ERR_IO)
		return false;
	return buf_failed(&typed) || !slice_eq(buf_slice(&typed), buf_slice(&g->original));
}

static void say_kept(const struct pending_edit *g)
{
	AUTO(buf_release) struct buf b = BUF_INIT(MESSAGE_MAX);

	buf_add_str(&b, "What you typed is in ");
	out_safe_line(&b, slice_str(g->path));
	buf_add_str(&b, ". To go on with it:\n  e2a pending approve ");
	out_safe_line(&b, slice_str(g->c->args[0]));
	buf_add_str(&b, " --edit --edit-file ");
	out_safe_line(&b, slice_str(g->path));
	fprintf(stderr, "%s\n", buf_cstr(&b));
}

void pending_edit_end(const struct pending_edit *g, enum err outcome)
{
	if (!g->path)
		return;
	if (outcome && is_wanted(g))
		say_kept(g);
	else if (g->own_file)
		unlink(g->path);
}

void pending_edit_release(struct pending_edit *g)
{
	buf_release(&g->original);
	buf_release(&g->body);
	free(g->path);
}
