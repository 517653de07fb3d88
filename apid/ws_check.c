/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether open sockets may still listen: those of a user whose keys, sessions or agents changed,
 * and each now and then, many in one statement.
 */
#include "apid/ws_private.h"
#include "common/base/clock.h"
#include "common/store/store_listener.h"

#include <stddef.h>

enum { BATCH = 1000 };

struct check {
	struct job job;
	struct ws_event done;
	struct ws *ws;
	struct arena arena;
	int64_t began_ms;
	struct ws_conn *conns[BATCH]; /* not for the worker */
	struct store_listener listeners[BATCH];
	size_t n;
	enum err e;
	struct fail fail;
	size_t *cut_off;
	size_t cut_off_n;
};

static void check_job(struct job *job, struct db *db)
{
	struct check *c = (struct check *)job;

	c->e = store_listener_cut_off(db, c->listeners, c->n, &c->arena, &c->cut_off, &c->cut_off_n,
				      &c->fail);
	ws_post(c->ws, &c->done);
}

static void release(struct check *c)
{
	for (size_t i = 0; i < c->n; i++) {
		c->conns[i]->checking = false;
		if (c->conns[i]->gone)
			ws_conn_gone(c->conns[i]);
	}
	arena_release(&c->arena);
	free(c);
}

static void check_done(struct ws *ws, struct ws_event *e)
{
	struct check *c = (struct check *)((char *)e - offsetof(struct check, done));
	bool ok = c->e == OK;

	ws->checking = false;
	ws_note_storage(ws, c->e, &c->fail);
	for (size_t i = 0; i < c->n; i++) {
		if (ok)
			c->conns[i]->checked_ms = c->began_ms;
		else
			c->conns[i]->suspect = true; /* again at the next tick */
	}
	for (size_t i = 0; ok && i < c->cut_off_n; i++)
		if (c->cut_off[i] < c->n)
			ws_conn_close(c->conns[c->cut_off[i]], LWS_CLOSE_STATUS_POLICY_VIOLATION,
				      WS_NOT_AUTHORIZED);
	release(c);
	if (ok) /* more are due, or have become suspect meanwhile */
		ws_check_start(ws);
}

static void add_due(struct ws_conn *conn, void *arg)
{
	struct check *c = arg;
	int64_t age_ms = c->began_ms - conn->checked_ms;

	if (c->n == BATCH || !conn->established || conn->gone || conn->close_code ||
	    (!conn->suspect && age_ms < c->ws->app->settings->ws_recheck_ms))
		return;
	conn->suspect = false;
	conn->checking = true;
	c->conns[c->n] = conn;
	c->listeners[c->n++] = ws_conn_listener(conn, &c->arena);
}

void ws_check_start(struct ws *ws)
{
	struct check *c;

	if (ws->checking)
		return;
	c = mem_zalloc(sizeof(*c));
	c->job.run = check_job;
	c->done.run = check_done;
	c->ws = ws;
	c->began_ms = clock_mono_ms();
	ws_index_each(ws, add_due, c);
	if (c->n && workers_post(ws->app->workers, &c->job, JOB_SOCKET))
		ws->checking = true;
	else
		release(c);
}
