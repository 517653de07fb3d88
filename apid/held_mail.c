/* SPDX-License-Identifier: Apache-2.0 */
/* Held mail on pages. A page holds a bounded part of it, and says so when there is more. */
#include "apid/held_mail.h"

#include "apid/page.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"

enum { CHARACTER_MAX = 4 }; /* bytes of UTF-8 */

/* ---- reading ---- */

static enum err read_text(struct req *r, struct slice user_id, struct slice id,
			  enum store_hold_part part, int64_t size, struct slice *ret,
			  struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(HELD_MAIL_SHOWN + CHARACTER_MAX);
	const struct store_hold_place at = { .part = part };
	const int64_t most = HELD_MAIL_SHOWN + CHARACTER_MAX;
	enum err e;

	if (size == 0)
		return OK;
	e = store_hold_read(r->db, user_id, id, &at, size < most ? size : most, &text, fail);
	if (e)
		return e;
	if (size > HELD_MAIL_SHOWN)
		buf_truncate(&text, utf8_cut(buf_slice(&text), HELD_MAIL_SHOWN).n);
	*ret = arena_slice(&r->arena, buf_slice(&text));
	return OK;
}

enum err held_mail_find(struct req *r, struct slice user_id, struct slice id, struct held_mail *ret,
			struct fail *fail)
{
	struct held_mail m = { 0 };
	enum err e = store_sent_find(r->db, user_id, id, &r->arena, &m.sent, fail);

	if (e == OK)
		e = store_hold_find(r->db, user_id, id, &r->arena, &m.hold, fail);
	if (e == OK)
		e = read_text(r, user_id, id, STORE_HOLD_TEXT, m.hold.text_bytes, &m.text, fail);
	if (e == OK)
		e = read_text(r, user_id, id, STORE_HOLD_HTML, m.hold.html_bytes, &m.html, fail);
	if (e == OK)
		*ret = m;
	return e;
}

/* ---- the head ---- */

/* Text that is turned around ends with its element. */
static void write_isolated(struct buf *out, struct slice s)
{
	buf_add_str(out, "<bdi>");
	page_mail_text(out, s);
	buf_add_str(out, "</bdi>");
}

static void write_row(struct buf *out, const char *name, struct slice value)
{
	buf_addf(out, "<dt>%s</dt><dd>", name);
	write_isolated(out, value);
	buf_add_str(out, "</dd>\n");
}

static void write_addresses(struct buf *out, const char *name, const struct slice *v, size_t n)
{
	if (n == 0)
		return;
	buf_addf(out, "<dt>%s</dt><dd>", name);
	for (size_t i = 0; i < n; i++) {
		buf_add_str(out, i ? ", " : "");
		write_isolated(out, v[i]);
	}
	buf_add_str(out, "</dd>\n");
}

void held_mail_write_head(struct buf *out, const struct held_mail *m)
{
	const struct store_sent *s = &m->sent;
	char expires[CLOCK_TEXT_MAX];

	clock_rfc1123(s->approval_expires_us, expires);
	buf_add_str(out, "<dl>\n");
	write_row(out, "Agent", s->agent);
	write_addresses(out, "To", s->to, s->to_n);
	write_addresses(out, "Cc", s->cc, s->cc_n);
	write_addresses(out, "Bcc", s->bcc, s->bcc_n);
	write_row(out, "Subject", s->subject.n ? s->subject : S("(none)"));
	write_row(out, "Expires", slice_str(expires));
	buf_add_str(out, "</dl>\n");
}

void held_mail_write_notes(struct buf *out, const struct held_mail *m)
{
	if (m->sent.in_reply_to.n)
		page_paragraph(out, "It is an answer in a conversation by mail.");
	if (slice_eq(m->sent.hold_reason, S("reply_budget")))
		page_paragraph(out, "It waits because the agent has answered in this conversation "
				    "as often as it may without being asked.");
}

/* ---- the content ---- */

static void write_size(struct buf *out, int64_t n)
{
	static const char *const units[] = { "kB", "MB", "GB" };
	size_t unit = 0;

	if (n < 1000) {
		buf_addf(out, "%lld bytes", (long long)n);
		return;
	}
	for (n = (n + 50) / 100; n >= 10000 && unit + 1 < ARRAY_LEN(units); unit++)
		n = (n + 500) / 1000;
	buf_addf(out, "%lld.%lld %s", (long long)(n / 10), (long long)(n % 10), units[unit]);
}

static void write_link(struct buf *out, struct slice link, const char *part, const char *text)
{
	buf_add_str(out, "<a href=\"");
	page_text(out, link);
	buf_addf(out, "%s\" download>%s</a>", part, text);
}

/* What a reviewer does not see they must not think to have approved. */
static void write_cut(struct buf *out, int64_t size, struct slice link, const char *part)
{
	if (size <= HELD_MAIL_SHOWN)
		return;
	buf_add_str(out, "<p class=\"warn\"><strong>This is not all of it.</strong> Shown is the "
			 "beginning of ");
	write_size(out, size);
	buf_add_str(out, ". ");
	write_link(out, link, part, "Download all of it");
	buf_add_str(out, " before you decide.</p>\n");
}

static void write_source(struct buf *out, struct slice text)
{
	buf_add_str(out, "<pre dir=\"auto\">");
	page_mail_text(out, text);
	buf_add_str(out, "</pre>\n");
}

void held_mail_write_text(struct buf *out, const struct held_mail *m, struct slice link)
{
	buf_add_str(out, "<h2>Text</h2>\n");
	if (m->text.n == 0) {
		page_paragraph(out, m->html.n ? "This message is HTML only: there is no plain text."
					      : "This message has no text.");
		return;
	}
	write_cut(out, m->hold.text_bytes, link, "text");
	write_source(out, m->text);
}

/* Folded, but what it may mean is not. */
static void write_html(struct buf *out, const struct held_mail *m, struct slice link)
{
	if (m->text.n)
		buf_add_str(out,
			    "<p class=\"warn\">There is an HTML version too. Most mail programs "
			    "show that instead of the text above, and it may say something "
			    "else.</p>\n");
	buf_addf(out, "<details%s>\n<summary>HTML version, as source</summary>\n",
		 m->text.n ? "" : " open");
	page_paragraph(out, "It is shown as source, so that it can do nothing here.");
	write_cut(out, m->hold.html_bytes, link, "html");
	write_source(out, m->html);
	buf_add_str(out, "</details>\n");
}

static void write_file(struct buf *out, const struct store_hold_file *f, size_t number,
		       struct slice link)
{
	buf_add_str(out, "<li><a href=\"");
	page_text(out, link);
	buf_addf(out, "%zu\" download>", number);
	write_isolated(out, f->filename.n ? f->filename : S("(no name)"));
	buf_add_str(out, "</a> <small>");
	write_isolated(out, f->content_type);
	buf_add_str(out, ", ");
	write_size(out, f->size);
	buf_add_str(out, "</small></li>\n");
}

void held_mail_write_rest(struct buf *out, const struct held_mail *m, struct slice link)
{
	if (m->html.n)
		write_html(out, m, link);
	if (m->hold.files_n == 0)
		return;
	buf_add_str(out, "<h2>Attachments</h2>\n<ul class=\"list\">\n");
	for (size_t i = 0; i < m->hold.files_n; i++)
		write_file(out, &m->hold.files[i], i, link);
	buf_add_str(out, "</ul>\n");
}
