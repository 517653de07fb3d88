/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one attachment. They are a stranger's: no browser may take them for a
 * page of ours, and no name of theirs may say where they are stored.
 */
#include "apid/disposition.h"
#include "apid/handlers.h"
#include "apid/message_query.h"

enum { STEP = 128 * 1024 }; /* bytes of mail that are decoded at once */

_Static_assert(STEP + 2 * MIME_DECODER_EXTRA < RESP_PIECE_MAX, "decoding makes nothing larger");

struct source {
	struct stored_mail mail;
	struct mime_part part;
	struct mime_decoder *decoder;
	int64_t at;
	bool ended;
};

static void source_free(void *arg)
{
	struct source *s = arg;

	mime_decoder_free(TAKE(s->decoder));
}

static enum err step(struct source *s, struct db *db, struct buf *piece, struct fail *fail)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT(STEP);
	int64_t n = s->part.end - s->at < STEP ? s->part.end - s->at : STEP;
	enum err e = n ? stored_mail_read(&s->mail, db, s->at, n, &bytes, fail) : OK;

	if (e)
		return e;
	s->at += n;
	mime_decoder_feed(s->decoder, buf_slice(&bytes), piece);
	if (s->at == s->part.end) {
		mime_decoder_end(s->decoder, piece);
		s->ended = true;
	}
	return OK;
}

/* Content may decode to nothing for a while. */
static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct source *s = arg;
	enum err e = OK;

	while (e == OK && piece->len == 0 && !s->ended)
		e = step(s, db, piece, fail);
	return e;
}

static const struct mime_part *find(const struct mime_tree *tree, struct slice index)
{
	uint64_t n;

	if (slice_to_u64(index, MIME_PARTS_MAX, &n))
		return NULL;
	for (size_t i = 0; i < tree->n; i++)
		if (tree->v[i].role == MIME_ATTACHMENT && n-- == 0)
			return &tree->v[i];
	return NULL;
}

static void answer(struct req *r, const struct stored_mail *mail, const struct mime_part *part)
{
	struct source *s = arena_alloc(&r->arena, sizeof(*s));

	*s = (struct source){ .mail = *mail,
			      .part = *part,
			      .decoder = mime_decoder_new(part->encoding),
			      .at = part->start };
	resp_bytes(&r->resp, 200, arena_dup(&r->arena, part->type));
	resp_header(&r->resp, "Content-Disposition", disposition(part->filename, &r->arena));
	resp_header(&r->resp, "Content-Security-Policy", S("sandbox; default-src 'none'"));
	r->resp.nosniff = true;
	r->resp.source = (struct resp_source){
		.next = next_piece,
		.free = source_free,
		.arg = s,
		.size = part->size,
	};
}

static enum err show_attachment(struct req *r, const struct store_message_read *what,
				struct fail *fail)
{
	const struct mime_part *part;
	struct stored_message m;
	enum err e = stored_message_read(r->db, what, &r->arena, &m, fail);

	if (e)
		return e;
	part = m.mail.raw_id.n ? find(&m.tree, r->param[2]) : NULL;
	if (part)
		answer(r, &m.mail, part);
	else
		resp_error(&r->resp, 404, "attachment not found");
	return OK;
}

void attachment_get(struct req *r)
{
	message_query_one(r, true, show_attachment, "failed to fetch attachment");
}
