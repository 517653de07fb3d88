/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of mails as JSON, step by step: body text decoded, then all bytes in base64.
 * No step may hold more than a fixed number of bytes, however large the mail is.
 */
#include "apid/message_content.h"

#include "apid/body_text.h"
#include "common/base/encode.h"

enum {
	RAW_STEP = 96 * 1024,  /* bytes of mail that are encoded at once; a multiple of 3 */
	PIECE_FULL = 96 * 1024 /* a piece that has so much is not made larger */
};

_Static_assert(RAW_STEP % 3 == 0, "base64 in pieces");
_Static_assert(PIECE_FULL + RAW_STEP / 3 * 4 < RESP_PIECE_MAX, "the step that fills a piece");
_Static_assert((int)PIECE_FULL + (int)BODY_TEXT_STEP_MAX < RESP_PIECE_MAX, "the same for text");

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
	bool begun;            /* the key of this phase is out */
	struct body_text body; /* of this phase, while it is one of text */
	int64_t at;            /* in the mail, where its bytes go out */
};

static void content_free(void *arg)
{
	struct content *c = arg;

	body_text_release(&c->body);
}

static void begin_body(struct content *c)
{
	body_text_release(&c->body);
	body_text_init(&c->body, &c->mail, &c->tree, phases[c->phase].role);
}

static void end_phase(struct content *c, bool cut, struct buf *out)
{
	buf_add_str(out, !c->begun ? phases[c->phase].none
			 : cut     ? phases[c->phase].cut
				   : phases[c->phase].whole);
	c->phase++;
	c->begun = false;
	if (c->phase == HTML)
		begin_body(c);
}

static void begin_phase(struct content *c, struct buf *out)
{
	if (!c->begun)
		buf_add_str(out, phases[c->phase].begin);
	c->begun = true;
}

static enum err text_step(struct content *c, struct db *db, struct buf *out, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(BODY_TEXT_STEP_MAX);
	enum err e = body_text_step(&c->body, db, &text, fail);

	if (e)
		return e;
	if (c->body.found)
		begin_phase(c, out);
	jsonw_text_part(out, buf_slice(&text));
	if (c->body.over)
		end_phase(c, c->body.cut, out);
	return OK;
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
	begin_body(c);
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
