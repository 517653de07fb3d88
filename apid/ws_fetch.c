/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of the stream of one WebSocket. The worker's half touches only the job;
 * the connection is touched by the other half, which runs on the WebSocket thread.
 */
#include "apid/notice.h"
#include "apid/ws_private.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/store/store_message.h"

#include <stddef.h>

enum { PAGE = 100, FRAME_MAX = 256 * 1024 };

struct fetch {
	struct job job;
	struct ws_event done;
	struct ws_conn *conn; /* not for the worker */
	struct ws *ws;
	struct arena arena;
	struct store_message_stream query;
	size_t budget; /* bytes */
	/* found */
	enum err e;
	struct fail fail;
	struct store_message *v;
	size_t n;      /* those with a frame */
	size_t bytes;  /* of the frames */
	bool complete; /* there was nothing behind them */
	struct ws_frame *frames, **frames_tail;
};

static size_t add_frame(struct fetch *f, const struct store_message *m)
{
	AUTO(buf_release) struct buf text = BUF_INIT(FRAME_MAX);
	struct ws_frame *frame;

	notice_write(m, &text);
	frame = mem_alloc(sizeof(*frame) + LWS_PRE + text.len);
	frame->next = NULL;
	frame->stored_us = f->query.backlog ? 0 : m->created_us;
	frame->n = text.len;
	memcpy(frame->bytes + LWS_PRE, buf_cstr(&text), text.len);
	*f->frames_tail = frame;
	f->frames_tail = &frame->next;
	return text.len;
}

static enum err read_page(struct fetch *f, struct db *db)
{
	size_t n;
	enum err e = store_message_stream(db, &f->query, &f->arena, &f->v, &n, &f->fail);

	if (e)
		return e;
	while (f->n < n && f->bytes < f->budget)
		f->bytes += add_frame(f, &f->v[f->n++]);
	f->complete = f->n == n && (int64_t)n < f->query.limit;
	return OK;
}

static void fetch_job(struct job *job, struct db *db)
{
	struct fetch *f = (struct fetch *)job;

	f->e = read_page(f, db);
	ws_post(f->ws, &f->done);
}

static void fetch_free(struct fetch *f)
{
	while (f->frames) {
		struct ws_frame *frame = f->frames;

		f->frames = frame->next;
		free(frame);
	}
	arena_release(&f->arena);
	free(f);
}

static void take_page(struct ws_conn *conn, struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		ws_stream_tell(&conn->stream, f->v[i].created_us, f->v[i].id);
	if (conn->polled && f->n)
		conn->unannounced_ms = clock_mono_ms();
	conn->polled = false;
	if (!f->complete || ws_stream_exhausted(&conn->stream))
		conn->wanted = true;
	if (f->frames) {
		*conn->out_tail = f->frames;
		conn->out_tail = f->frames_tail;
		f->frames = NULL;
		ws_hold(conn->ws, f->bytes, 0);
		conn->progress_ms = clock_mono_ms();
		lws_callback_on_writable(conn->wsi);
	} else if (conn->wanted) {
		ws_conn_wake(conn);
	}
}

void ws_note_storage(struct ws *ws, enum err e, const struct fail *fail)
{
	bool failed = e != OK && e != ERR_FORBIDDEN;

	if (failed && !ws->storage_failed)
		log_warn("ws_read_failed", LF_STR("detail", fail->what));
	if (!failed && ws->storage_failed)
		log_info("ws_read_works_again");
	ws->storage_failed = failed;
}

static void fetch_done(struct ws *ws, struct ws_event *e)
{
	struct fetch *f = (struct fetch *)((char *)e - offsetof(struct fetch, done));
	struct ws_conn *conn = f->conn;

	conn->fetching = false;
	ws_hold(ws, 0, f->budget);
	ws_note_storage(ws, f->e, &f->fail);
	if (conn->gone) {
		ws_conn_gone(conn);
	} else if (f->e == OK) {
		conn->checked_ms = clock_mono_ms();
		if (!conn->close_code)
			take_page(conn, f);
	} else if (f->e == ERR_FORBIDDEN) {
		ws_conn_close(conn, LWS_CLOSE_STATUS_POLICY_VIOLATION, WS_NOT_AUTHORIZED);
	} else {
		conn->wanted = conn->failed = true; /* again at the next tick */
	}
	fetch_free(f);
}

/* A whole page while there is room, else the next message alone: everybody gets on. */
static void set_budget(struct fetch *f)
{
	const struct settings *s = f->ws->app->settings;
	bool room = f->ws->held + (size_t)s->ws_buffer <= (size_t)s->ws_memory;

	f->budget = room ? (size_t)s->ws_buffer : 1;
	f->query.limit = room ? PAGE : 1;
}

void ws_fetch_start(struct ws_conn *conn)
{
	struct fetch *f = mem_zalloc(sizeof(*f));

	f->job.run = fetch_job;
	f->done.run = fetch_done;
	f->conn = conn;
	f->ws = conn->ws;
	f->query.listener = ws_conn_listener(conn, &f->arena);
	f->query.user_id = arena_slice(&f->arena, conn->sub.user_id);
	f->query.agent = arena_slice(&f->arena, conn->sub.email);
	set_budget(f);
	f->frames_tail = &f->frames;
	ws_stream_next(&conn->stream, &f->arena, &f->query);
	if (!workers_post(conn->ws->app->workers, &f->job, JOB_SOCKET)) {
		fetch_free(f); /* the workers have stopped, and so will we */
		return;
	}
	ws_hold(conn->ws, f->budget, 0);
	conn->fetching = true;
	conn->wanted = false;
}
