/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of items, written twice: as plain text and as HTML. Data gets into an item cleaned
 * of what a reader cannot see, and into HTML by html_text() only. Every line of a held text
 * is marked, so that nothing in it can end it.
 */
#include "deliverd/hold_text.h"

#include "common/base/clock.h"
#include "common/base/html.h"
#include "common/base/utf8.h"

#include <assert.h>
#include <inttypes.h>

enum {
	ITEMS_MAX = 24,
	SUBJECT_MAX = 60, /* bytes of the held mail's in ours */
	LINE_MAX_BYTES = 2000,
	LIST_MAX = 256 * 1024,
	WRAP_AT = 72,
	FIELD_WIDTH = 10,
};

enum item_kind { PARAGRAPH, FIELD, LINK, QUOTE };

struct item {
	enum item_kind kind;
	struct slice name; /* of a field, or what a link is for */
	struct slice text; /* of a field: one line or more */
};

struct items {
	struct arena *a;
	size_t n;
	struct item v[ITEMS_MAX];
};

static void add(struct items *l, enum item_kind kind, struct slice name, struct slice text)
{
	assert(l->n < ITEMS_MAX);
	l->v[l->n++] = (struct item){ kind, name, text };
}

static void add_text(struct items *l, const char *text)
{
	add(l, PARAGRAPH, S(""), slice_str(text));
}

/* ---- what others wrote ---- */

static struct slice one_line(struct arena *a, struct slice s)
{
	return utf8_plain(a, utf8_line(a, s, LINE_MAX_BYTES));
}

/* Lines ended by LF, however they ended before. */
static struct slice in_lines(struct arena *a, struct slice s)
{
	char *out = arena_dup(a, s);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')
			continue;
		out[n++] = s.p[i] == '\r' ? '\n' : s.p[i];
	}
	return utf8_plain(a, slice_of(out, n));
}

static void add_list(struct items *l, const char *name, const struct slice *v, size_t n)
{
	AUTO(buf_release) struct buf b = BUF_INIT(LIST_MAX);

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(&b, '\n');
		buf_add_slice(&b, one_line(l->a, v[i]));
	}
	if (n)
		add(l, FIELD, slice_str(name), arena_slice(l->a, buf_slice(&b)));
}

/* ---- the items ---- */

static const char *kind_of(const struct store_notice *n)
{
	if (slice_eq(n->type, S("reply")))
		return "a reply";
	return slice_eq(n->type, S("test")) ? "a test mail" : "a mail";
}

static void add_head(struct items *l, const struct hold_text *t)
{
	const struct store_notice *n = t->notice;
	struct slice agent = one_line(l->a, n->agent);
	char expires[CLOCK_TEXT_MAX];

	clock_rfc1123(n->expires_us, expires);
	add_text(l, arena_printf(l->a, "%s%.*s wants to send %s, and you are asked to decide.",
				 t->reminder ? "Nobody has decided yet: " : "", SLICE_ARGS(agent),
				 kind_of(n)));
	add(l, FIELD, S("Agent"), agent);
	add_list(l, "To", n->to, n->to_n);
	add_list(l, "Cc", n->cc, n->cc_n);
	add_list(l, "Bcc", n->bcc, n->bcc_n);
	add(l, FIELD, S("Subject"), n->subject.n ? one_line(l->a, n->subject) : S("(none)"));
	add(l, FIELD, S("Expires"), slice_str(arena_strdup(l->a, expires)));
	add_text(l, slice_eq(n->hold_reason, S("reply_budget"))
			    ? "It waits because the agent has answered the same address so often "
			      "within a short time that two programs may be writing to each other."
			    : "It waits because every mail of this agent has to be approved.");
}

static void add_links(struct items *l, const struct hold_text *t)
{
	add(l, LINK, S("To approve and send it"), t->approve);
	add(l, LINK, S("To reject and discard it"), t->reject);
	add(l, LINK, S("In the dashboard, where the owner of the account can also change it"),
	    t->dashboard);
	add_text(l, "Opening a link decides nothing: its page asks you to confirm. The links are "
		    "for you alone. Do not pass this mail on.");
}

static void add_files(struct items *l, const struct store_notice *n)
{
	struct slice *v = arena_calloc(l->a, n->files_n, sizeof(*v));

	for (size_t i = 0; i < n->files_n; i++) {
		struct slice name = utf8_line(l->a, n->files[i].filename, LINE_MAX_BYTES);

		v[i] = slice_str(arena_printf(l->a, "%.*s (%" PRId64 " bytes)", SLICE_ARGS(name),
					      n->files[i].bytes));
	}
	add_list(l, "Attached", v, n->files_n);
}

bool hold_text_is_whole(const struct store_notice *n)
{
	return n->full_text && n->html_bytes == 0 && n->text_bytes <= HOLD_TEXT_MAX &&
	       n->text_bytes == (int64_t)n->text.n;
}

static void add_content(struct items *l, const struct store_notice *n)
{
	struct slice text = utf8_cut(n->text, HOLD_TEXT_MAX);

	if (!n->full_text) {
		add_text(l, "What the mail says is not in here. The pages of the links show it.");
		return;
	}
	if (n->text_bytes) {
		add_text(l, "This is what the mail says, each line behind a bar or in a frame:");
		add(l, QUOTE, S(""), in_lines(l->a, text));
	}
	if ((int64_t)text.n < n->text_bytes)
		add_text(l, arena_printf(l->a,
					 "It goes on: these are the first %zu bytes of %" PRId64
					 ". The pages of the links show all of it.",
					 text.n, n->text_bytes));
	if (n->html_bytes)
		add_text(l,
			 arena_printf(l->a,
				      "%s an HTML form of %" PRId64
				      " bytes, which is not shown here%s.",
				      n->text_bytes ? "It also has" : "It has only", n->html_bytes,
				      n->text_bytes ? ". Most mail programs show that "
						      "instead, and it may say something else"
						    : ""));
	add_files(l, n);
}

static void add_end(struct items *l, const struct store_notice *n)
{
	if (!n->by_reply)
		add_text(l, "Answers to this mail decide nothing.");
	else if (!hold_text_is_whole(n))
		add_text(l,
			 "Answers to this mail decide nothing, because not all of what you would "
			 "decide about is in it. Use the links.");
	else
		add_text(l, "You can also decide by answering this mail. The first line of your "
			    "answer has to be the word approve, or the word reject with or "
			    "without a reason behind it.");
	add_text(l, n->sent_at_expiry
			    ? "If nobody decides before it expires, the mail is sent as it is."
			    : "If nobody decides before it expires, the mail is discarded.");
}

static void make_items(const struct hold_text *t, struct arena *a, struct items *ret)
{
	*ret = (struct items){ .a = a };
	add_head(ret, t);
	add_links(ret, t);
	add_content(ret, t->notice);
	add_end(ret, t->notice);
}

/* ---- the subject ---- */

void hold_text_subject(const struct hold_text *t, struct arena *a, struct buf *ret)
{
	struct slice subject = one_line(a, t->notice->subject);
	struct slice agent = one_line(a, t->notice->agent);

	buf_addf(ret, "[e2a] %sapprove outbound from %.*s: ", t->reminder ? "reminder: " : "",
		 SLICE_ARGS(agent));
	if (subject.n <= SUBJECT_MAX) {
		buf_add_slice(ret, subject);
		return;
	}
	buf_add_slice(ret, utf8_cut(subject, SUBJECT_MAX - 3));
	buf_add_str(ret, "...");
}

/* ---- plain text ---- */

static void wrap(struct buf *b, struct slice text)
{
	size_t column = 0;
	struct slice word;

	while (slice_cut(&text, ' ', &word)) {
		bool fits = column + 1 + word.n <= WRAP_AT;

		if (column)
			buf_add_char(b, fits ? ' ' : '\n');
		column = (column && fits ? column + 1 : 0) + word.n;
		buf_add_slice(b, word);
	}
	buf_add_char(b, '\n');
}

static void plain_field(struct buf *b, struct arena *a, const struct item *it)
{
	const char *label = arena_printf(a, "%.*s:", SLICE_ARGS(it->name));
	struct slice rest = it->text, line;

	while (slice_cut(&rest, '\n', &line)) {
		buf_addf(b, "%-*s%.*s\n", FIELD_WIDTH, label, SLICE_ARGS(line));
		label = "";
	}
}

/* Without blanks at the end of a line, which mail systems may take away. */
static void plain_quote(struct buf *b, struct slice text)
{
	struct slice line;

	text.n -= slice_ends(text, S("\n")) ? 1 : 0;
	while (slice_cut(&text, '\n', &line)) {
		buf_add_str(b, line.n ? "| " : "|");
		buf_add_slice(b, line);
		buf_add_char(b, '\n');
	}
}

static void plain_item(struct buf *b, struct arena *a, const struct item *it)
{
	switch (it->kind) {
	case PARAGRAPH:
		wrap(b, it->text);
		break;
	case FIELD:
		plain_field(b, a, it);
		break;
	case LINK:
		buf_addf(b, "%.*s:\n", SLICE_ARGS(it->name));
		buf_add_slice(b, it->text);
		buf_add_char(b, '\n');
		break;
	case QUOTE:
		plain_quote(b, it->text);
	}
}

void hold_text_plain(const struct hold_text *t, struct arena *a, struct buf *ret)
{
	struct items l;

	make_items(t, a, &l);
	for (size_t i = 0; i < l.n; i++) {
		if (i && (l.v[i].kind != FIELD || l.v[i - 1].kind != FIELD))
			buf_add_char(ret, '\n');
		plain_item(ret, a, &l.v[i]);
	}
}

/* ---- HTML ---- */

static void html_lines(struct buf *b, struct slice text)
{
	struct slice line;

	for (bool first = true; slice_cut(&text, '\n', &line); first = false) {
		if (!first)
			buf_add_str(b, "<br>\n");
		html_text(b, line);
	}
}

static void html_link(struct buf *b, const struct item *it)
{
	buf_add_str(b, "<p>");
	html_text(b, it->name);
	buf_add_str(b, ":<br>\n<a href=\"");
	html_text(b, it->text);
	buf_add_str(b, "\">");
	html_text(b, it->text);
	buf_add_str(b, "</a></p>\n");
}

static void html_item(struct buf *b, const struct item *it)
{
	switch (it->kind) {
	case PARAGRAPH:
		buf_add_str(b, "<p>");
		html_text(b, it->text);
		buf_add_str(b, "</p>\n");
		break;
	case FIELD:
		buf_add_str(b, "<p style=\"margin:.25em 0\"><b>");
		html_text(b, it->name);
		buf_add_str(b, ":</b> ");
		html_lines(b, it->text);
		buf_add_str(b, "</p>\n");
		break;
	case LINK:
		html_link(b, it);
		break;
	case QUOTE:
		buf_add_str(b, "<pre style=\"margin:1em 0;padding:.75em;border:2px solid #888;"
			       "white-space:pre-wrap;overflow-wrap:anywhere\">\n");
		html_text(b, it->text);
		buf_add_str(b, "</pre>\n");
	}
}

void hold_text_html(const struct hold_text *t, struct arena *a, struct buf *ret)
{
	struct items l;

	make_items(t, a, &l);
	buf_add_str(ret,
		    "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"></head>\n"
		    "<body style=\"font-family:sans-serif\">\n");
	for (size_t i = 0; i < l.n; i++)
		html_item(ret, &l.v[i]);
	buf_add_str(ret, "</body>\n</html>\n");
}
