/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form in which a human changes a mail. What comes back as it was shown is no change: a
 * browser turns line ends around, and a page cannot show every character.
 */
#include "apid/page.h"
#include "apid/pending.h"

enum {
	ADDRESSES_MAX = 10000, /* more than any mail may have */
	LIST_MAX = 4 * 1024 * 1024,
	PAGE_GROWTH = 6, /* of a character that becomes an entity */
};

static void add_lines(struct buf *b, const struct slice *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add_slice(b, v[i]);
		buf_add_char(b, '\n');
	}
}

static struct slice lines_of(struct arena *a, const struct slice *v, size_t n)
{
	AUTO(buf_release) struct buf b = BUF_INIT(LIST_MAX);

	add_lines(&b, v, n);
	return arena_slice(a, buf_slice(&b));
}

/* CR LF and CR become LF. */
static struct slice with_lf(struct arena *a, struct slice s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\r')
			out[n++] = s.p[i];
		else if (i + 1 == s.n || s.p[i + 1] != '\n')
			out[n++] = '\n';
	return slice_of(out, n);
}

void pending_form_fill(struct arena *a, const struct held_mail *m, struct pending_form *ret)
{
	*ret = (struct pending_form){
		.to = lines_of(a, m->sent.to, m->sent.to_n),
		.cc = lines_of(a, m->sent.cc, m->sent.cc_n),
		.bcc = lines_of(a, m->sent.bcc, m->sent.bcc_n),
		.subject = m->sent.subject,
		.text = with_lf(a, m->text),
		.html = with_lf(a, m->html),
	};
}

void pending_form_read(struct req *r, const struct held_mail *m, struct pending_form *ret)
{
	struct pending_form f;
	const struct {
		struct slice name, *at;
	} fields[] = {
		{ S("to"), &f.to },     { S("cc"), &f.cc },           { S("bcc"), &f.bcc },
		{ S("text"), &f.text }, { S("subject"), &f.subject }, { S("html"), &f.html },
	};

	pending_form_fill(&r->arena, m, &f);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct slice given = req_form(r, fields[i].name);

		if (given.p)
			*fields[i].at = with_lf(&r->arena, given);
	}
	f.drop_html = req_form(r, S("drop_html")).n > 0;
	*ret = f;
}

/* ---- what was changed ---- */

/* Would a page show the same? */
static bool same_on_page(struct slice a, struct slice b)
{
	AUTO(buf_release) struct buf one = BUF_INIT(PAGE_GROWTH * a.n + 1);
	AUTO(buf_release) struct buf two = BUF_INIT(PAGE_GROWTH * b.n + 1);

	page_text(&one, a);
	page_text(&two, b);
	return slice_eq(buf_slice(&one), buf_slice(&two));
}

/* Up to the next line end, or comma or semicolon outside of quotes. */
static struct slice cut_address(struct slice *rest)
{
	struct slice s = *rest;
	bool quoted = false;
	size_t n = 0;

	for (; n < s.n && s.p[n] != '\n'; n++) {
		if (s.p[n] == '"')
			quoted = !quoted;
		else if (!quoted && (s.p[n] == ',' || s.p[n] == ';'))
			break;
	}
	*rest = slice_sub(s, n + 1, s.n);
	return slice_trim(slice_sub(s, 0, n));
}

static void read_list(struct slice text, struct arena *a, struct jsonf_texts *ret)
{
	size_t most = 1;

	for (size_t i = 0; i < text.n; i++)
		most += text.p[i] == '\n' || text.p[i] == ',' || text.p[i] == ';';
	if (most > ADDRESSES_MAX)
		most = ADDRESSES_MAX + 1; /* which are refused as too many */
	*ret = (struct jsonf_texts){ .v = arena_calloc(a, most, sizeof(*ret->v)) };
	while (text.n && ret->n < most) {
		struct slice address = cut_address(&text);

		if (address.n)
			ret->v[ret->n++] = address;
	}
}

static bool same_list(const struct jsonf_texts *t, const struct slice *v, size_t n)
{
	if (t->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!slice_eq(t->v[i], v[i]))
			return false;
	return true;
}

static void read_recipients(const struct pending_form *f, const struct store_sent *m,
			    struct arena *a, struct draft *d)
{
	read_list(f->to, a, &d->to);
	read_list(f->cc, a, &d->cc);
	read_list(f->bcc, a, &d->bcc);
	d->given.to = !same_list(&d->to, m->to, m->to_n);
	d->given.cc = !same_list(&d->cc, m->cc, m->cc_n);
	d->given.bcc = !same_list(&d->bcc, m->bcc, m->bcc_n);
}

/* Of a text that was shown in part nothing can be changed. */
static bool is_whole(int64_t bytes)
{
	return bytes <= HELD_MAIL_SHOWN;
}

bool pending_form_draft(const struct pending_form *f, const struct held_mail *m, struct arena *a,
			struct draft *ret, const char **ret_wrong)
{
	struct draft d = DRAFT_EDIT_INIT;

	read_recipients(f, &m->sent, a, &d);
	/* its field has room for lines, so that Enter does not send the mail */
	d.subject = slice_trim(f->subject);
	d.given.subject = !same_on_page(d.subject, slice_trim(m->sent.subject));
	d.body = f->text;
	d.given.body = is_whole(m->hold.text_bytes) && !same_on_page(f->text, with_lf(a, m->text));
	d.html_body = f->drop_html ? S("") : f->html;
	d.given.html_body =
		m->html.n && (f->drop_html || (is_whole(m->hold.html_bytes) &&
					       !same_on_page(f->html, with_lf(a, m->html))));
	if (d.given.body && m->html.n && !d.given.html_body) {
		*ret_wrong = "the text was changed and the HTML version was not, which most mail "
			     "programs show instead: change it too, or leave it out";
		return false;
	}
	*ret = d;
	return true;
}

/* ---- the form itself ---- */

static void write_area(struct buf *out, const char *name, const char *label, int rows,
		       struct slice value)
{
	buf_addf(out,
		 "<label for=\"%s\">%s</label>\n<textarea id=\"%s\" name=\"%s\" rows=\"%d\" "
		 "autocomplete=\"off\">\n",
		 name, label, name, name, rows);
	page_text(out, value);
	buf_add_str(out, "</textarea>\n");
}

static void write_texts(struct buf *out, const struct held_mail *m, const struct pending_form *f)
{
	if (is_whole(m->hold.text_bytes))
		write_area(out, "text", "Text", 12, f->text);
	else
		page_paragraph(out, "The text is too long to be changed here.");
	if (m->html.n == 0)
		return;
	if (is_whole(m->hold.html_bytes))
		write_area(out, "html", "HTML version", 8, f->html);
	buf_addf(
		out,
		"<p><label class=\"check\"><input type=\"checkbox\" name=\"drop_html\" value=\"1\"%s> "
		"Leave out the HTML version</label></p>\n",
		f->drop_html ? " checked" : "");
}

void pending_form_write(struct buf *out, const struct held_mail *m, const struct pending_form *f,
			bool open)
{
	buf_addf(out,
		 "<details%s>\n<summary>Change it before it is sent</summary>\n"
		 "<form method=\"post\" action=\"" PENDING_REVIEW_PATH "\">\n",
		 open ? " open" : "");
	page_hidden(out, "id", m->sent.id);
	write_area(out, "to", "To, an address on each line", 2, f->to);
	write_area(out, "cc", "Cc", 2, f->cc);
	write_area(out, "bcc", "Bcc", 2, f->bcc);
	write_area(out, "subject", "Subject", 2, f->subject);
	write_texts(out, m, f);
	buf_add_str(out,
		    "<button type=\"submit\" name=\"action\" value=\"edit\">Approve with these "
		    "changes &amp; send</button>\n</form>\n</details>\n");
}
