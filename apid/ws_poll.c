/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recent mail against what the sockets were told. One statement looks for all of
 * them, over what came in the last seconds: it costs what the mail costs, not what
 * the sockets do. The worker's half touches only the job and the index.
 */
#include "apid/ws_private.h"
#include "common/base/clock.h"
#include "common/mail/addr.h"
#include "common/store/store_message.h"

#include <stddef.h>

enum {
	WINDOW_MS = 3000,       /* before the last look: for mail that is committed late */
	LONG_WINDOW_MS = 40000, /* ... much later: longer than WS_STREAM_OVERLAP_US */
	LONG_EVERY = 5,         /* ticks */
	WINDOW_MAX_MS = 600000, /* everybody is woken instead */
	PAGE = 1000,            /* mails in one statement */
	FOUND_MAX = 20000,      /* messages; with more, everybody is woken */
};

struct found {
	struct slice address, id;
	int64_t created_us;
};

struct poll {
	struct job job;
	struct ws_event done;
	struct ws *ws;
	struct arena arena;
	bool announced; /* somebody said that there is mail */
	int64_t began_ms, window_ms;
	enum err e;
	struct fail fail;
	struct found *found;
	size_t found_n, found_cap;
};

static void keep(struct poll *p, struct slice address, const struct store_message_recent *m)
{
	if (p->found_n == p->found_cap) {
		p->found_cap = p->found_cap ? p->found_cap * 2 : 16;
		p->found = mem_realloc(p->found, p->found_cap * sizeof(*p->found));
	}
	p->found[p->found_n++] = (struct found){ arena_slice(&p->arena, address),
						 arena_slice(&p->arena, m->id), m->created_us };
}

/* Of what came for anybody, what came for those who are connected here. */
static enum err look_at_page(struct poll *p, struct db *db, struct store_message_key *place)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_message_recent *v;
	struct slice address;
	size_t n;
	enum err e = store_message_recent(db, p->window_ms, PAGE, &a, place, &v, &n, &p->fail);

	if (e)
		return e;
	for (size_t i = 0; i < n && p->found_n < FOUND_MAX; i++)
		if (addr_fold(v[i].agent, &a, &address) == OK && ws_index_has(p->ws, address))
			keep(p, address, &v[i]);
	place->id = arena_slice(&p->arena, place->id);
	return OK;
}

static void poll_job(struct job *job, struct db *db)
{
	struct poll *p = (struct poll *)job;
	struct store_message_key place = { 0 };

	do {
		p->e = look_at_page(p, db, &place);
	} while (p->e == OK && place.id.n && p->found_n < FOUND_MAX);
	ws_post(p->ws, &p->done);
}

static void poll_free(struct poll *p)
{
	free(p->found);
	arena_release(&p->arena);
	free(p);
}

static void wake_conn(struct ws_conn *conn, void *arg)
{
	(void)arg;
	ws_conn_wake(conn);
}

struct find {
	const struct found *message;
	bool announced;
};

static void wake_if_untold(struct ws_conn *conn, void *arg)
{
	const struct find *f = arg;

	if (ws_stream_knows(&conn->stream, f->message->created_us, f->message->id))
		return;
	if (f->announced)
		ws_conn_wake_announced(conn);
	else
		ws_conn_wake_polled(conn);
}

static void wake_untold(struct ws *ws, const struct poll *p)
{
	if (p->found_n == FOUND_MAX || p->window_ms == WINDOW_MAX_MS) {
		ws_index_each(ws, wake_conn, NULL);
		return;
	}
	for (size_t i = 0; i < p->found_n; i++) {
		struct find f = { &p->found[i], p->announced };

		ws_index_of(ws, p->found[i].address, wake_if_untold, &f);
	}
}

static void poll_done(struct ws *ws, struct ws_event *e)
{
	struct poll *p = (struct poll *)((char *)e - offsetof(struct poll, done));

	ws->polling = false;
	ws_note_storage(ws, p->e, &p->fail);
	if (p->e == OK) {
		ws->polled_ms = p->began_ms;
		wake_untold(ws, p);
	}
	poll_free(p);
	if (ws->poll_again)
		ws_poll_start(ws);
}

void ws_poll_start(struct ws *ws)
{
	bool far = ws->poll_again || ws->ticks % LONG_EVERY == 0;
	int64_t now_ms = clock_mono_ms();
	struct poll *p;

	if (ws->polling)
		return;
	if (ws_index_count(ws) == 0) {
		ws->polled_ms = now_ms; /* who comes later reads for itself */
		ws->poll_again = false;
		return;
	}
	p = mem_zalloc(sizeof(*p));
	p->job.run = poll_job;
	p->done.run = poll_done;
	p->ws = ws;
	p->began_ms = now_ms;
	p->announced = ws->poll_again;
	p->window_ms = now_ms - ws->polled_ms + (far ? LONG_WINDOW_MS : WINDOW_MS);
	if (p->window_ms > WINDOW_MAX_MS)
		p->window_ms = WINDOW_MAX_MS;
	if (workers_post(ws->app->workers, &p->job, JOB_SOCKET)) {
		ws->polling = true;
		ws->poll_again = false;
		return;
	}
	poll_free(p);
}
