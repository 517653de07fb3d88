/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies. A large mail is never held whole: while the base64 goes out, a worker
 * fetches the next piece and the connection is suspended meanwhile.
 */
#include "apid/body.h"

#include "apid/workers.h"
#include "common/base/encode.h"
#include "common/base/log.h"
#include "common/store/store_message.h"

enum {
	PIECE = 192 * 1024, /* bytes of mail; a multiple of 3 */
	PIECE_TEXT = PIECE / 3 * 4,
	BLOCK = 64 * 1024
};

struct stream {
	struct job job;
	struct req *req;
	struct MHD_Connection *conn;
	uint64_t text_size; /* of the whole base64 */
	struct buf piece;   /* base64 of piece number ... */
	uint64_t piece_at;  /* ... valid when it is not empty */
	bool failed;
};

static void stream_free(void *arg)
{
	struct stream *s = arg;

	buf_release(&s->piece);
	free(s);
}

static enum err fetch(struct stream *s, struct db *db, struct fail *fail)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT(PIECE);
	const struct resp_raw *raw = &s->req->resp.raw;
	int64_t offset = (int64_t)s->piece_at * PIECE;
	int64_t n = raw->size - offset < PIECE ? raw->size - offset : PIECE;
	enum err e = store_message_raw(db, raw->id, offset, n, &bytes, fail);

	if (e == OK)
		base64_encode(buf_slice(&bytes), &s->piece);
	return e;
}

static void fetch_job(struct job *job, struct db *db)
{
	struct stream *s = (struct stream *)job;
	struct fail fail = { 0 };

	if (fetch(s, db, &fail)) {
		s->failed = true; /* the length is out already: the connection must break */
		log_error("raw_message_failed", LF_STR("request", s->req->id),
			  LF_STR("detail", fail.what));
	}
	MHD_resume_connection(s->conn);
}

static void start_fetch(struct stream *s, uint64_t piece)
{
	buf_reset(&s->piece);
	s->piece_at = piece;
	s->job.run = fetch_job;
	MHD_suspend_connection(s->conn);
	if (!workers_post(s->req->app->workers, &s->job, JOB_SOCKET)) {
		s->failed = true;
		MHD_resume_connection(s->conn);
	}
}

static ssize_t give(char *out, size_t max, struct slice from, uint64_t skip)
{
	struct slice rest = slice_sub(from, (size_t)skip, from.n);
	size_t n = rest.n < max ? rest.n : max;

	memcpy(out, rest.p, n);
	return (ssize_t)n;
}

/* 0 means: suspended, ask again. */
static ssize_t read_text(struct stream *s, uint64_t pos, char *out, size_t max)
{
	uint64_t piece = pos / PIECE_TEXT;

	if (s->failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->piece.len && s->piece_at == piece)
		return give(out, max, buf_slice(&s->piece), pos % PIECE_TEXT);
	start_fetch(s, piece);
	return 0;
}

static ssize_t read_body(void *arg, uint64_t pos, char *out, size_t max)
{
	struct stream *s = arg;
	struct slice body = buf_slice(&s->req->resp.body);
	size_t at = s->req->resp.raw.at;

	if (pos < at)
		return give(out, max, slice_sub(body, 0, at), pos);
	pos -= at;
	if (pos < s->text_size)
		return read_text(s, pos, out, max);
	return give(out, max, slice_sub(body, at, body.n), pos - s->text_size);
}

struct MHD_Response *body_response(struct req *r, struct MHD_Connection *c)
{
	const struct resp *resp = &r->resp;
	struct stream *s;

	if (resp->raw.id.n == 0)
		return MHD_create_response_from_buffer(resp->body.len, resp->body.p,
						       MHD_RESPMEM_PERSISTENT);
	s = mem_zalloc(sizeof(*s));
	s->req = r;
	s->conn = c;
	s->text_size = ((uint64_t)resp->raw.size + 2) / 3 * 4;
	buf_init(&s->piece, PIECE_TEXT);
	return MHD_create_response_from_callback(resp->body.len + s->text_size, BLOCK, read_body, s,
						 stream_free);
}
