/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies. What is large is never held whole: the source makes the next piece on a
 * worker while the connection is suspended. A body that cannot be finished
 * ends with the connection, never with a last chunk or a full length.
 */
#include "apid/body.h"

#include "apid/waits.h"
#include "apid/workers.h"
#include "common/base/log.h"

#include <sys/socket.h>

enum { BLOCK = 64 * 1024, SEND_BUFFER = 64 * 1024 };

struct stream {
	struct job job;
	struct req *req;
	struct MHD_Connection *mhd;
	struct conns *conns;
	struct conn *conn;
	struct buf piece;  /* what the source made last ... */
	uint64_t piece_at; /* ... and where in its bytes that begins */
	bool ended;        /* there is no further piece */
	bool failed;
};

static void stream_free(void *arg)
{
	struct stream *s = arg;

	buf_release(&s->piece);
	free(s);
}

static struct wait *wait_of(const struct stream *s)
{
	return s->req->resp.source.wait;
}

/* Nothing was made, and it is not the end. */
static bool wants_to_wait(const struct stream *s)
{
	return wait_of(s) && !wait_of(s)->over && !s->failed && s->piece.len == 0;
}

/* A length that was promised must be kept. */
static enum err check_length(struct stream *s, struct fail *fail)
{
	int64_t want = s->req->resp.source.size;
	uint64_t made = s->piece_at + s->piece.len;

	s->ended = want < 0 ? s->piece.len == 0 && !wants_to_wait(s) : made == (uint64_t)want;
	if (buf_failed(&s->piece))
		return fail_set(fail, ERR_INTERNAL, "a piece is too large");
	if (want < 0 || s->ended || (s->piece.len && made < (uint64_t)want))
		return OK;
	return fail_set(fail, ERR_INTERNAL, "%llu bytes instead of %lld", (unsigned long long)made,
			(long long)want);
}

static enum err make_piece(struct stream *s, struct db *db, struct fail *fail)
{
	const struct resp_source *source = &s->req->resp.source;
	enum err e;

	s->piece_at += s->piece.len;
	buf_reset(&s->piece);
	e = source->next(source->arg, db, &s->piece, fail);
	return e ? e : check_length(s, fail);
}

static void next_piece(struct stream *s, struct db *db)
{
	struct fail fail = { 0 };
	enum err e = make_piece(s, db, &fail);

	s->failed = e != OK;
	if (e)
		LOG_AT(e == ERR_TIMEOUT ? LOGL_WARN : LOGL_ERROR, "body_broken",
		       LF_STR("request", s->req->id), LF_STR("error", err_info(e)->name),
		       LF_STR("detail", fail.what), { .key = NULL });
}

/* The client has the whole time for each piece. */
static void resume(struct stream *s)
{
	conns_set(s->conns, s->conn, wait_of(s) ? CONN_TELLING : CONN_WRITING);
	MHD_resume_connection(s->mhd);
}

static void end_waiting(struct stream *s)
{
	wait_of(s)->over = s->ended = true;
}

/* False when it is over. One that was notified meanwhile looks again when its turn comes. */
static bool wait_on(struct stream *s)
{
	enum waits_parked parked;

	buf_release(&s->piece); /* a long one is no measure for what comes next */
	conns_set(s->conns, s->conn, CONN_WAITING);
	parked = waits_park(wait_of(s), s->conn);
	if (parked == WAITS_PARKED)
		return true;
	conns_set(s->conns, s->conn, CONN_RUNNING);
	if (parked == WAITS_AGAIN && workers_post(s->req->app->workers, &s->job, JOB_SOCKET))
		return true;
	end_waiting(s);
	return false;
}

static void piece_job(struct job *job, struct db *db)
{
	struct stream *s = (struct stream *)job;

	next_piece(s, db);
	if (!wants_to_wait(s) || !wait_on(s))
		resume(s);
}

static void go_on_waiting(struct wait *w, enum waits_why why)
{
	struct stream *s = w->arg;

	conns_set(s->conns, s->conn, CONN_RUNNING);
	if (why != WAITS_END && workers_post(s->req->app->workers, &s->job, JOB_SOCKET))
		return;
	end_waiting(s);
	resume(s);
}

static void start_piece(struct stream *s)
{
	s->job.run = piece_job;
	conns_set(s->conns, s->conn, CONN_RUNNING);
	MHD_suspend_connection(s->mhd);
	if (!workers_post(s->req->app->workers, &s->job, JOB_SOCKET)) {
		s->failed = !wait_of(s); /* at a stop */
		s->ended = true;
		MHD_resume_connection(s->mhd);
	}
}

static ssize_t give(char *out, size_t max, struct slice from, uint64_t skip)
{
	struct slice rest = slice_sub(from, (size_t)skip, from.n);
	size_t n = rest.n < max ? rest.n : max;

	memcpy(out, rest.p, n);
	return (ssize_t)n;
}

/* What stands behind the source's bytes; `made` of them there were. */
static ssize_t read_tail(struct stream *s, uint64_t made, uint64_t pos, char *out, size_t max)
{
	const struct resp *resp = &s->req->resp;
	struct slice tail = slice_sub(buf_slice(&resp->body), resp->source.at, resp->body.len);

	if (pos - made == tail.n)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return give(out, max, tail, pos - made);
}

/* `pos` counts from the beginning of the source's bytes. 0 means: suspended, ask again. */
static ssize_t read_source(struct stream *s, uint64_t pos, char *out, size_t max)
{
	uint64_t made = s->piece_at + s->piece.len;

	if (s->failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (pos < made)
		return give(out, max, buf_slice(&s->piece), pos - s->piece_at);
	if (s->ended)
		return read_tail(s, made, pos, out, max);
	start_piece(s);
	return 0;
}

/* MHD asks for one place after the other and for none twice. */
static ssize_t read_body(void *arg, uint64_t pos, char *out, size_t max)
{
	struct stream *s = arg;
	const struct resp *resp = &s->req->resp;

	if (pos < resp->source.at)
		return give(out, max, slice_sub(buf_slice(&resp->body), 0, resp->source.at), pos);
	return read_source(s, pos - resp->source.at, out, max);
}

/* Else the kernel keeps megabytes for a slow reader. What it refuses does no harm. */
static void begin_telling(struct stream *s)
{
	const int send_buffer = SEND_BUFFER;

	setsockopt(s->conn->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	wait_of(s)->go_on = go_on_waiting;
	wait_of(s)->arg = s;
}

struct MHD_Response *body_response(struct req *r, struct MHD_Connection *mhd, struct conns *conns,
				   struct conn *conn)
{
	const struct resp *resp = &r->resp;
	uint64_t size = MHD_SIZE_UNKNOWN;
	struct stream *s;

	if (!resp->source.next)
		return MHD_create_response_from_buffer(resp->body.len, resp->body.p,
						       MHD_RESPMEM_PERSISTENT);
	s = mem_zalloc(sizeof(*s));
	s->req = r;
	s->mhd = mhd;
	s->conns = conns;
	s->conn = conn;
	s->ended = resp->source.size == 0;
	if (wait_of(s))
		begin_telling(s);
	buf_init(&s->piece, RESP_PIECE_MAX);
	if (resp->source.size >= 0)
		size = resp->body.len + (uint64_t)resp->source.size;
	return MHD_create_response_from_callback(size, BLOCK, read_body, s, stream_free);
}
