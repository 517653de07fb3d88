/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to what a person reads, with the MIME modules that the daemons use. No step holds
 * more than its result, however the mail is built.
 */
#include "cli/mail.h"

#include "cli/html_text.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/mime.h"

enum {
	STEP = 64 * 1024, /* encoded bytes that are decoded at once */
	NAME_MAX_BYTES = 1000,
};

/* ---- header ---- */

/* Only commands that read mail pay for GMime. */
static void init_once(void)
{
	static bool done;

	if (!done)
		mime_init();
	done = true;
}

struct slice mail_field_text(struct slice value, struct arena *a)
{
	init_once();
	return mime_text(value, MAIL_FIELD_MAX, a);
}

static struct slice value_of(const struct mail *m, struct slice name)
{
	const struct header_field *f = header_first(&m->tree.header, name);

	return f ? f->value : S("");
}

static struct slice field_text(const struct mail *m, struct slice name, struct arena *a)
{
	return mime_text(value_of(m, name), MAIL_FIELD_MAX, a);
}

/* True for text that can stand before an address without quotes (RFC 5322 3.2.3), whatever it
 * says. */
static bool is_phrase(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr("()<>[]:;@\\,.\"", s.p[i]))
			return false;
	return true;
}

/* No name can look like an address, or like the end of one. */
static void add_name(struct slice name, struct buf *ret)
{
	if (is_phrase(name)) {
		buf_add_slice(ret, name);
		return;
	}
	buf_add_char(ret, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_add_char(ret, '\\');
		buf_add_char(ret, name.p[i]);
	}
	buf_add_char(ret, '"');
}

/* A display name as it is written, without the quotes (RFC 5322 3.2.4). */
static struct slice unquoted(struct slice name, struct arena *a)
{
	char *out = arena_alloc(a, name.n + 1);
	bool inside = false;
	size_t n = 0;

	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"') {
			inside = !inside;
			continue;
		}
		if (inside && name.p[i] == '\\' && i + 1 < name.n)
			i++;
		out[n++] = name.p[i];
	}
	return slice_of(out, n);
}

static void add_addr(const struct addr *one, struct arena *a, struct buf *ret)
{
	struct slice name = mime_text(unquoted(one->name, a), NAME_MAX_BYTES, a);
	struct slice spec = utf8_line(a, utf8_clean(a, one->spec), ADDR_MAX);

	if (name.n) {
		add_name(name, ret);
		buf_add_str(ret, " <");
	}
	buf_add_slice(ret, spec);
	if (name.n)
		buf_add_char(ret, '>');
}

/* All fields of the name; what is no list of addresses is shown as the text that it is. */
static struct slice field_addrs(const struct mail *m, struct slice name, struct arena *a)
{
	AUTO(buf_release) struct buf out = BUF_INIT(MAIL_FIELD_MAX);
	struct slice value = value_of(m, name), whole = S("");
	struct addr_list list;

	addr_parse_list(value, a, &list);
	for (size_t i = 0; i < list.n && !buf_failed(&out); i++) {
		if (i)
			buf_add_str(&out, ", ");
		add_addr(&list.v[i], a, &out);
	}
	if (!buf_failed(&out))
		whole = arena_slice(a, buf_slice(&out));
	return whole.n ? whole : mime_text(value, MAIL_FIELD_MAX, a);
}

static void scan(struct slice raw, struct arena *a, struct mime_tree *ret)
{
	AUTO(mime_scan_freep) struct mime_scan *s = mime_scan_new();

	mime_scan_feed(s, raw);
	mime_scan_end(s, a, ret);
}

void mail_read(struct slice raw, struct arena *a, struct mail *ret)
{
	init_once();
	*ret = (struct mail){ .raw = raw };
	scan(raw, a, &ret->tree);
	ret->from = field_addrs(ret, S("From"), a);
	ret->to = field_addrs(ret, S("To"), a);
	ret->cc = field_addrs(ret, S("Cc"), a);
	ret->reply_to = field_addrs(ret, S("Reply-To"), a);
	ret->subject = field_text(ret, S("Subject"), a);
	ret->date = field_text(ret, S("Date"), a);
	ret->message_id = field_text(ret, S("Message-ID"), a);
	ret->has_date = mime_date(value_of(ret, S("Date")), a, &ret->date_us) == OK;
}

/* ---- parts ---- */

bool mail_has(const struct mail *m, enum mime_role role)
{
	for (size_t i = 0; i < m->tree.n; i++)
		if (m->tree.v[i].role == role)
			return true;
	return false;
}

size_t mail_files(const struct mail *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->tree.n; i++)
		n += m->tree.v[i].role == MIME_ATTACHMENT;
	return n;
}

static struct slice content_of(const struct mail *m, const struct mime_part *p)
{
	return slice_sub(m->raw, (size_t)p->start, (size_t)p->end);
}

enum err mail_part_each(const struct mail *m, const struct mime_part *p, mail_sink_fn *sink,
			void *arg)
{
	AUTO(mime_decoder_freep) struct mime_decoder *d = mime_decoder_new(p->encoding);
	AUTO(buf_release) struct buf out = BUF_INIT(STEP + MIME_DECODER_EXTRA);
	struct slice rest = content_of(m, p);
	enum err e = OK;

	while (rest.n && e == OK) {
		struct slice step = slice_sub(rest, 0, STEP);

		buf_reset(&out);
		mime_decoder_feed(d, step, &out);
		e = out.len ? sink(arg, buf_slice(&out)) : OK;
		rest = slice_sub(rest, step.n, rest.n);
	}
	buf_reset(&out);
	mime_decoder_end(d, &out);
	return e == OK && out.len ? sink(arg, buf_slice(&out)) : e;
}

/* Appends what fits; false when that was not all. */
static bool add_text(struct slice text, struct buf *ret)
{
	struct slice fits = utf8_cut(text, ret->max - ret->len);

	buf_add_slice(ret, fits);
	return fits.n == text.n;
}

static bool decode_text(const struct mail *m, const struct mime_part *p, struct buf *ret)
{
	AUTO(mime_text_freep) struct mime_text *t = mime_text_new(p->encoding, p->charset);
	AUTO(buf_release)
	struct buf out = BUF_INIT(MIME_TEXT_GROWTH * STEP + 2 * MIME_TEXT_EXTRA);
	struct slice rest = content_of(m, p);
	bool whole = true;

	while (rest.n && whole) {
		struct slice step = slice_sub(rest, 0, STEP);

		buf_reset(&out);
		mime_text_feed(t, step, &out);
		whole = add_text(buf_slice(&out), ret);
		rest = slice_sub(rest, step.n, rest.n);
	}
	buf_reset(&out);
	mime_text_end(t, &out);
	return whole && add_text(buf_slice(&out), ret);
}

static bool decode_html(const struct mail *m, const struct mime_part *p, struct buf *ret)
{
	AUTO(buf_release) struct buf html = BUF_INIT(MAIL_TEXT_MAX);
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX + HTML_TEXT_EXTRA);
	bool whole = decode_text(m, p, &html);

	html_text_of(buf_slice(&html), &text);
	return add_text(buf_slice(&text), ret) && whole;
}

/* The next part of a body begins on a line of its own. */
static bool end_line(struct buf *ret)
{
	return ret->len == 0 || ret->p[ret->len - 1] == '\n' || add_text(S("\n"), ret);
}

/*
 * The better form of a body stands behind the plain one (RFC 2046 5.1.4): HTML that no plain text
 * came before has none. Mailing lists put plain text behind such HTML.
 */
bool mail_text(const struct mail *m, struct buf *ret)
{
	bool whole = true, plain = false;

	for (size_t i = 0; i < m->tree.n && whole; i++) {
		const struct mime_part *p = &m->tree.v[i];
		size_t before = ret->len;

		if (p->role == MIME_BODY_TEXT) {
			whole = end_line(ret) && decode_text(m, p, ret);
			plain = plain || slice_trim(slice_sub(buf_slice(ret), before, ret->len)).n;
		} else if (p->role == MIME_BODY_HTML && !plain) {
			whole = end_line(ret) && decode_html(m, p, ret);
		}
	}
	return whole;
}

bool mail_html(const struct mail *m, struct buf *ret)
{
	bool whole = true;

	for (size_t i = 0; i < m->tree.n && whole; i++)
		if (m->tree.v[i].role == MIME_BODY_HTML)
			whole = end_line(ret) && decode_text(m, &m->tree.v[i], ret);
	return whole;
}
