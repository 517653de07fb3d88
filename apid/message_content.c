/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of mails as JSON, step by step: body text decoded, then all bytes in base64.
 * No step may hold more than a fixed number of bytes, however large the mail is.
 */
#include "apid/message_content.h"

#include "common/base/encode.h"
#include "common/base/utf8.h"

enum {
	TEXT_STEP = 8 * 1024,  /* bytes of mail that are decoded at once */
	RAW_STEP = 96 * 1024,  /* bytes of mail that are encoded at once; a multiple of 3 */
	PIECE_FULL = 96 * 1024 /* a piece that has so much is not made larger */
};

_Static_assert(RAW_STEP % 3 == 0, "base64 in pieces");
_Static_assert(PIECE_FULL + RAW_STEP / 3 * 4 < RESP_PIECE_MAX, "the step that fills a piece");
_Static_assert(PIECE_FULL + MIME_TEXT_GROWTH * TEXT_STEP < RESP_PIECE_MAX, "the same for text");

enum phase { TEXT, HTML, RAW, DONE };

static const struct {
	enum mime_role role;
	const char *begin, *none, *whole, *cut;
} phases[] = {
	[TEXT] = { MIME_BODY_TEXT, ",\"text\":\"", ",\"text\":null,\"text_truncated\":false",
		   "\",\"text_truncated\":false", "\",\"text_truncated\":true" },
	[HTML] = { MIME_BODY_HTML, ",\"html\":\"", ",\"html\":null,\"html_truncated\":false",
		   "\",\"html_truncated\":false", "\",\"html_truncated\":true" },
	[RAW] = { MIME_ATTACHMENT, ",\"raw_message\":\"", ",\"raw_message\":null", "\"", NULL },
};

struct content {
	struct stored_mail mail;
	struct mime_tree tree;
	enum phase phase;
	bool begun;             /* the key of this phase is out */
	size_t part;            /* the part that is read, or the next one to look at */
	struct mime_text *text; /* of that part while it is read */
	int64_t at;             /* in the mail */
	size_t written;         /* of this phase's text */
	bool line_open;         /* the text so far does not end with LF */
};

static void content_free(void *arg)
{
	struct content *c = arg;

	mime_text_free(TAKE(c->text));
}

static void end_phase(struct content *c, bool cut, struct buf *out)
{
	buf_add_str(out, !c->begun ? phases[c->phase].none
			 : cut     ? phases[c->phase].cut
				   : phases[c->phase].whole);
	mime_text_free(TAKE(c->text));
	c->phase++;
	c->begun = c->line_open = false;
	c->part = c->written = 0;
	c->at = 0;
}

static void begin_phase(struct content *c, struct buf *out)
{
	if (!c->begun)
		buf_add_str(out, phases[c->phase].begin);
	c->begun = true;
}

/* False when there is more text than goes out. */
static bool add_text(struct content *c, struct slice text, struct buf *out)
{
	struct slice fits = utf8_cut(text, CONTENT_TEXT_MAX - c->written);

	jsonw_text_part(out, fits);
	c->written += fits.n;
	if (fits.n)
		c->line_open = fits.p[fits.n - 1] != '\n';
	return fits.n == text.n;
}

/* The next part of the body begins on a line of its own. False when there is none. */
static bool next_part(struct content *c, struct buf *out)
{
	const struct mime_tree *t = &c->tree;

	while (c->part < t->n && t->v[c->part].role != phases[c->phase].role)
		c->part++;
	if (c->part == t->n)
		return false;
	begin_phase(c, out);
	if (c->line_open)
		add_text(c, S("\n"), out);
	c->at = t->v[c->part].start;
	c->text = mime_text_new(t->v[c->part].encoding, t->v[c->part].charset);
	return true;
}

static enum err decode_step(struct content *c, struct db *db, struct buf *text, struct fail *fail)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT(TEXT_STEP);
	const struct mime_part *p = &c->tree.v[c->part];
	int64_t n = p->end - c->at < TEXT_STEP ? p->end - c->at : TEXT_STEP;
	enum err e = n ? stored_mail_read(&c->mail, db, c->at, n, &bytes, fail) : OK;

	if (e)
		return e;
	c->at += n;
	mime_text_feed(c->text, buf_slice(&bytes), text);
	if (c->at < p->end)
		return OK;
	mime_text_end(c->text, text);
	mime_text_free(TAKE(c->text));
	c->part++;
	return OK;
}

static enum err text_step(struct content *c, struct db *db, struct buf *out, struct fail *fail)
{
	AUTO(buf_release)
	struct buf text = BUF_INIT(MIME_TEXT_GROWTH * TEXT_STEP + 2 * MIME_TEXT_EXTRA);
	enum err e;

	if (!c->text && !next_part(c, out)) {
		end_phase(c, false, out);
		return OK;
	}
	e = decode_step(c, db, &text, fail);
	if (e == OK && !add_text(c, buf_slice(&text), out))
		end_phase(c, true, out);
	return e;
}

static enum err raw_step(struct content *c, struct db *db, struct buf *out, struct fail *fail)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT(RAW_STEP);
	int64_t n = c->mail.size - c->at < RAW_STEP ? c->mail.size - c->at : RAW_STEP;
	enum err e = OK;

	if (c->mail.raw_id.n == 0) {
		end_phase(c, false, out);
		return OK;
	}
	begin_phase(c, out);
	if (n)
		e = stored_mail_read(&c->mail, db, c->at, n, &bytes, fail);
	if (e)
		return e;
	base64_encode(buf_slice(&bytes), out);
	c->at += n;
	if (c->at == c->mail.size)
		end_phase(c, false, out);
	return OK;
}

static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct content *c = arg;
	enum err e = OK;

	while (e == OK && c->phase != DONE && piece->len < PIECE_FULL)
		e = c->phase == RAW ? raw_step(c, db, piece, fail) : text_step(c, db, piece, fail);
	return e;
}

static enum err write_all(struct req *r, struct content *c, struct fail *fail)
{
	enum err e = OK;

	while (e == OK && c->phase != DONE)
		e = c->phase == RAW ? raw_step(c, r->db, &r->resp.body, fail)
				    : text_step(c, r->db, &r->resp.body, fail);
	content_free(c);
	return e;
}

enum err message_content_write(struct req *r, const struct stored_mail *mail,
			       const struct mime_tree *tree, struct fail *fail)
{
	struct content *c = arena_alloc(&r->arena, sizeof(*c));

	*c = (struct content){ .mail = *mail, .tree = *tree };
	if (stored_mail_is_small(mail))
		return write_all(r, c, fail);
	r->resp.source = (struct resp_source){
		.next = next_piece,
		.free = content_free,
		.arg = c,
		.size = -1,
		.at = r->resp.body.len,
	};
	return OK;
}
