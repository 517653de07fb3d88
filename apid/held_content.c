/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Held mail as JSON, step by step: the texts, then each attachment. No step may hold more than
 * a fixed number of bytes, however large the mail is.
 */
#include "apid/held_content.h"

#include "common/base/encode.h"
#include "common/base/utf8.h"
#include "common/store/store_hold.h"

enum {
	SMALL = 96 * 1024,   /* bytes of content that are written at once */
	CHUNK = 1024 * 1024, /* bytes of text that are fetched at once: each time costs its whole */
	TEXT_STEP = 16 * 1024,  /* bytes of text that are escaped at once */
	FILE_STEP = 96 * 1024,  /* bytes of attachments that are encoded at once; a multiple of 3 */
	PIECE_FULL = 96 * 1024, /* a piece that has so much is not made larger */
	CHARACTER_MAX = 4,      /* bytes of UTF-8 */
	ESCAPE_MAX = 6,         /* \u0000 */
};

_Static_assert(FILE_STEP % 3 == 0, "base64 in pieces");
_Static_assert(PIECE_FULL + FILE_STEP / 3 * 4 < RESP_PIECE_MAX, "the step that fills a piece");
_Static_assert(PIECE_FULL + ESCAPE_MAX * TEXT_STEP < RESP_PIECE_MAX, "the same for text");

enum phase { TEXT, HTML, FILES, DONE };

struct held_content {
	struct slice user_id, id;
	struct store_hold hold;
	enum phase phase;
	struct store_hold_place at;
	struct buf chunk; /* of the text that is written */
	size_t chunk_at;
	bool begun; /* the key of this phase, or the attachment, is out */
};

static const struct {
	const char *key;
	enum store_hold_part part;
} phases[] = {
	[TEXT] = { ",\"body_text\":\"", STORE_HOLD_TEXT },
	[HTML] = { ",\"body_html\":\"", STORE_HOLD_HTML },
	[FILES] = { ",\"attachments\":[", STORE_HOLD_FILE },
};

static void held_free(void *arg)
{
	held_content_close(arg);
}

void held_content_close(struct held_content *h)
{
	if (h)
		buf_release(&h->chunk);
}

static void next_phase(struct held_content *h)
{
	h->phase++;
	h->begun = false;
	h->at = (struct store_hold_place){
		.part = phases[h->phase == DONE ? FILES : h->phase].part
	};
	buf_reset(&h->chunk);
	h->chunk_at = 0;
}

/* ---- texts ---- */

static int64_t text_bytes(const struct held_content *h)
{
	return h->phase == TEXT ? h->hold.text_bytes : h->hold.html_bytes;
}

/* The next bytes, cut between two characters. */
static enum err fetch_chunk(struct held_content *h, struct db *db, struct fail *fail)
{
	int64_t left = text_bytes(h) - h->at.offset;
	int64_t n = left < CHUNK + CHARACTER_MAX ? left : CHUNK + CHARACTER_MAX;
	enum err e;

	buf_reset(&h->chunk);
	h->chunk_at = 0;
	e = store_hold_read(db, h->user_id, h->id, &h->at, n, &h->chunk, fail);
	if (e)
		return e;
	if (n < left)
		buf_truncate(&h->chunk, utf8_cut(buf_slice(&h->chunk), CHUNK).n);
	h->at.offset += (int64_t)h->chunk.len;
	return OK;
}

static enum err text_step(struct held_content *h, struct db *db, struct buf *out, struct fail *fail)
{
	struct slice rest;
	enum err e = OK;

	if (text_bytes(h) == 0) {
		next_phase(h);
		return OK;
	}
	if (!h->begun)
		buf_add_str(out, phases[h->phase].key);
	h->begun = true;
	if (h->chunk_at == h->chunk.len)
		e = fetch_chunk(h, db, fail);
	if (e)
		return e;
	rest = utf8_cut(slice_sub(buf_slice(&h->chunk), h->chunk_at, h->chunk.len), TEXT_STEP);
	jsonw_text_part(out, rest);
	h->chunk_at += rest.n;
	if (h->chunk_at == h->chunk.len && h->at.offset == text_bytes(h)) {
		buf_add_char(out, '"');
		next_phase(h);
	}
	return OK;
}

/* ---- attachments ---- */

static void begin_file(struct held_content *h, const struct store_hold_file *f, struct buf *out)
{
	struct jsonw w;

	buf_add_str(out, h->at.file ? "," : phases[FILES].key);
	jsonw_init(&w, out);
	jsonw_object(&w);
	jsonw_key_text(&w, "filename", f->filename);
	jsonw_key_text(&w, "content_type", f->content_type);
	buf_add_str(out, ",\"data\":\"");
	h->begun = true;
}

static void end_file(struct held_content *h, struct buf *out)
{
	buf_add_str(out, "\"}");
	h->begun = false;
	h->at.offset = 0;
	if (++h->at.file < h->hold.files_n)
		return;
	buf_add_char(out, ']');
	next_phase(h);
}

static enum err file_step(struct held_content *h, struct db *db, struct buf *out, struct fail *fail)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT(FILE_STEP);
	const struct store_hold_file *f;
	int64_t left, n;
	enum err e = OK;

	if (h->hold.files_n == 0) {
		next_phase(h);
		return OK;
	}
	f = &h->hold.files[h->at.file];
	if (!h->begun)
		begin_file(h, f, out);
	left = f->size - h->at.offset;
	n = left < FILE_STEP ? left : FILE_STEP;
	if (n)
		e = store_hold_read(db, h->user_id, h->id, &h->at, n, &bytes, fail);
	if (e)
		return e;
	base64_encode(buf_slice(&bytes), out);
	h->at.offset += n;
	if (n == left)
		end_file(h, out);
	return OK;
}

/* ---- the whole ---- */

enum err held_content_step(struct held_content *h, struct db *db, struct buf *out,
			   struct fail *fail)
{
	return h->phase == FILES ? file_step(h, db, out, fail) : text_step(h, db, out, fail);
}

bool held_content_done(const struct held_content *h)
{
	return h->phase == DONE;
}

static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct held_content *h = arg;
	enum err e = OK;

	while (e == OK && h->phase != DONE && piece->len < PIECE_FULL)
		e = held_content_step(h, db, piece, fail);
	return e;
}

static bool is_small(const struct store_hold *hold)
{
	int64_t sum = hold->text_bytes + hold->html_bytes;

	for (size_t i = 0; i < hold->files_n; i++)
		sum += hold->files[i].size;
	return sum <= SMALL;
}

/* All of it, or nothing when somebody decides meanwhile. */
static enum err write_all(struct req *r, struct held_content *h, struct fail *fail)
{
	size_t before = r->resp.body.len;
	enum err e = OK;

	while (e == OK && h->phase != DONE)
		e = held_content_step(h, r->db, &r->resp.body, fail);
	held_free(h);
	if (e != ERR_NOT_FOUND)
		return e;
	buf_truncate(&r->resp.body, before);
	return OK;
}

enum err held_content_open(struct db *db, struct slice user_id, struct slice id, struct arena *a,
			   struct held_content **ret, struct fail *fail)
{
	struct held_content *h = arena_alloc(a, sizeof(*h));
	enum err e;

	*h = (struct held_content){ .user_id = user_id, .id = id };
	e = store_hold_find(db, user_id, id, a, &h->hold, fail);
	if (e)
		return e;
	buf_init(&h->chunk, CHUNK + CHARACTER_MAX);
	*ret = h;
	return OK;
}

enum err held_content_write(struct req *r, struct slice id, struct fail *fail)
{
	struct held_content *h;
	enum err e = held_content_open(r->db, r->principal.user_id, id, &r->arena, &h, fail);

	if (e)
		return e == ERR_NOT_FOUND ? OK : e;
	if (is_small(&h->hold))
		return write_all(r, h, fail);
	r->resp.source = (struct resp_source){
		.next = next_piece,
		.free = held_free,
		.arg = h,
		.size = -1,
		.at = r->resp.body.len,
	};
	return OK;
}
