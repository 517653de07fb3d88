/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One part of held mail as a file, piece by piece: it may be 25 MB, and nothing here holds
 * more than a fixed number of bytes.
 */
#include "apid/disposition.h"
#include "apid/held_mail.h"
#include "apid/mail_html.h"
#include "common/mail/mime_param.h"

enum {
	CHUNK = 1024 *
		1024, /* bytes that are fetched at once: of a text each time costs its whole */
	STEP = MAIL_HTML_PIECE_MAX,
};

_Static_assert((int)STEP < RESP_PIECE_MAX, "a piece is one step");

struct part {
	struct slice user_id, id;
	struct store_hold_place at;
	int64_t size;
	struct slice filename;
	struct buf chunk;
	size_t chunk_at;
};

static void part_free(void *arg)
{
	struct part *p = arg;

	buf_release(&p->chunk);
}

static enum err fetch_chunk(struct part *p, struct db *db, struct fail *fail)
{
	int64_t left = p->size - p->at.offset, n = left < CHUNK ? left : CHUNK;
	enum err e;

	buf_reset(&p->chunk);
	p->chunk_at = 0;
	e = store_hold_read(db, p->user_id, p->id, &p->at, n, &p->chunk, fail);
	if (e == OK)
		p->at.offset += n;
	return e;
}

static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct part *p = arg;
	struct slice rest;
	enum err e = OK;

	if (p->chunk_at == p->chunk.len && p->at.offset < p->size)
		e = fetch_chunk(p, db, fail);
	if (e)
		return e;
	rest = slice_sub(buf_slice(&p->chunk), p->chunk_at, p->chunk_at + STEP);
	buf_add_slice(piece, rest);
	p->chunk_at += rest.n;
	return OK;
}

static bool find_part(const struct store_hold *hold, struct slice name, struct arena *a,
		      struct part *ret)
{
	uint64_t n;

	if (slice_eq(name, S("text"))) {
		ret->at.part = STORE_HOLD_TEXT;
		ret->size = hold->text_bytes;
		ret->filename = S("message.txt");
	} else if (slice_eq(name, S("html"))) {
		ret->at.part = STORE_HOLD_HTML;
		ret->size = hold->html_bytes;
		ret->filename = S("message.html");
	} else if (slice_to_u64(name, SIZE_MAX, &n) == OK && n < hold->files_n) {
		ret->at = (struct store_hold_place){ STORE_HOLD_FILE, (size_t)n, 0 };
		ret->size = hold->files[n].size;
		ret->filename = mime_safe_filename(hold->files[n].filename, a);
		return true;
	}
	return ret->size > 0;
}

static enum err find(struct req *r, struct slice user_id, struct slice id, struct slice name,
		     struct part *ret, struct fail *fail)
{
	struct store_hold hold;
	enum err e = store_hold_find(r->db, user_id, id, &r->arena, &hold, fail);

	*ret = (struct part){ .user_id = user_id, .id = id, .chunk = BUF_INIT(CHUNK) };
	if (e)
		return e;
	return find_part(&hold, name, &r->arena, ret)
		       ? OK
		       : fail_set(fail, ERR_NOT_FOUND, "it has no such part");
}

static struct resp_source source_of(struct part *p)
{
	return (struct resp_source){
		.next = next_piece,
		.free = part_free,
		.arg = p,
		.size = p->size,
	};
}

enum err held_mail_send(struct req *r, struct slice user_id, struct slice id, struct slice part,
			struct fail *fail)
{
	struct part *p = arena_alloc(&r->arena, sizeof(*p));
	enum err e = find(r, user_id, id, part, p, fail);

	if (e)
		return e;
	resp_bytes(&r->resp, 200, "application/octet-stream");
	resp_header(&r->resp, "Content-Disposition", disposition(p->filename, &r->arena));
	resp_header(&r->resp, "Content-Security-Policy", S("sandbox; default-src 'none'"));
	resp_header(&r->resp, "Referrer-Policy", S("no-referrer"));
	resp_header(&r->resp, "X-Robots-Tag", S("noindex, nofollow"));
	r->resp.source = source_of(p);
	return OK;
}

enum err held_mail_show_html(struct req *r, struct slice user_id, struct slice id,
			     struct fail *fail)
{
	struct part *p = arena_alloc(&r->arena, sizeof(*p));
	enum err e = find(r, user_id, id, S("html"), p, fail);
	struct resp_source source = source_of(p);

	if (e == OK)
		mail_html_answer(r, &source);
	return e;
}
