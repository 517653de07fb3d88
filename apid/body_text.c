/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of mails. No step may hold more than a fixed number of bytes, however large the mail is.
 */
#include "apid/body_text.h"

#include "common/base/utf8.h"

void body_text_init(struct body_text *b, const struct stored_mail *mail,
		    const struct mime_tree *tree, enum mime_role role)
{
	*b = (struct body_text){ .mail = mail, .tree = tree, .role = role };
}

void body_text_release(struct body_text *b)
{
	mime_text_free(TAKE(b->text));
}

bool body_text_exists(const struct mime_tree *tree, enum mime_role role)
{
	for (size_t i = 0; i < tree->n; i++)
		if (tree->v[i].role == role)
			return true;
	return false;
}

/* False when there is no further part. */
static bool next_part(struct body_text *b, struct buf *out)
{
	const struct mime_tree *t = b->tree;

	while (b->part < t->n && t->v[b->part].role != b->role)
		b->part++;
	if (b->part == t->n)
		return false;
	b->found = true;
	if (b->line_open)
		buf_add_char(out, '\n');
	b->at = t->v[b->part].start;
	b->text = mime_text_new(t->v[b->part].encoding, t->v[b->part].charset);
	return true;
}

static enum err decode_step(struct body_text *b, struct db *db, struct buf *out, struct fail *fail)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT(BODY_TEXT_STEP);
	const struct mime_part *p = &b->tree->v[b->part];
	int64_t n = p->end - b->at < BODY_TEXT_STEP ? p->end - b->at : BODY_TEXT_STEP;
	enum err e = n ? stored_mail_read(b->mail, db, b->at, n, &bytes, fail) : OK;

	if (e)
		return e;
	b->at += n;
	mime_text_feed(b->text, buf_slice(&bytes), out);
	if (b->at < p->end)
		return OK;
	mime_text_end(b->text, out);
	mime_text_free(TAKE(b->text));
	b->part++;
	return OK;
}

/* Of what was appended behind `from`, as much as may go out. */
static void count(struct body_text *b, size_t from, struct buf *out)
{
	struct slice text = slice_sub(buf_slice(out), from, out->len);
	struct slice fits = utf8_cut(text, BODY_TEXT_MAX - b->written);

	b->written += fits.n;
	if (fits.n)
		b->line_open = fits.p[fits.n - 1] != '\n';
	b->cut = b->over = fits.n < text.n;
	buf_truncate(out, from + fits.n);
}

enum err body_text_step(struct body_text *b, struct db *db, struct buf *out, struct fail *fail)
{
	size_t from = out->len;
	enum err e;

	if (!b->text && !next_part(b, out)) {
		b->over = true;
		return OK;
	}
	e = decode_step(b, db, out, fail);
	if (e == OK)
		count(b, from, out);
	return e;
}
