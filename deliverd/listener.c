/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LISTEN connection: connecting blocks, so a worker does it; reading does
 * not. A notification is a hint, so a lost connection costs nothing but time.
 */
#include "deliverd/listener.h"

#include "common/base/log.h"
#include "common/store/db.h"
#include "deliverd/deliverd.h"

enum { RETRY_MS = 1000 };

struct listener {
	struct task task;
	struct loop *loop;
	const struct settings *settings;
	const char *channel;
	void (*fn)(void *arg);
	void *arg;
	struct db *db;
	struct loop_watch *watch;
	struct loop_timer *timer;
	bool connecting, stopped;
	struct fail fail;
};

static void disconnect(struct listener *l)
{
	loop_watch_free(TAKE(l->watch));
	db_close(TAKE(l->db));
}

static void count(struct slice channel, struct slice payload, void *arg)
{
	(void)channel;
	(void)payload;
	++*(size_t *)arg;
}

static void readable(int fd, unsigned events, void *arg)
{
	struct listener *l = arg;
	size_t n = 0;

	(void)fd;
	(void)events;
	if (db_notifications(l->db, count, &n, &l->fail)) {
		log_warn("listen_lost", LF_STR("channel", l->channel),
			 LF_STR("cause", l->fail.what));
		disconnect(l);
		loop_timer_start(l->timer, RETRY_MS);
	} else if (n) {
		l->fn(l->arg);
	}
}

static void connect_run(struct task *t)
{
	struct listener *l = CONTAINER(t, struct listener, task);

	l->fail.code = OK;
	if (db_open(l->settings->database_url, DELIVERD_ROLE, DELIVERD_PROGRAM, &l->db, &l->fail))
		return;
	if (db_listen(l->db, l->channel, &l->fail))
		db_close(TAKE(l->db));
}

static void connect_done(struct task *t)
{
	struct listener *l = CONTAINER(t, struct listener, task);

	l->connecting = false;
	if (l->stopped) {
		db_close(TAKE(l->db));
		return;
	}
	if (!l->db) {
		log_warn("listen_failed", LF_STR("channel", l->channel),
			 LF_STR("cause", l->fail.what));
		loop_timer_start(l->timer, RETRY_MS);
		return;
	}
	l->watch = loop_watch_new(l->loop, db_socket(l->db), readable, l);
	loop_watch_set(l->watch, LOOP_READ);
	l->fn(l->arg);
}

static void connect(void *arg)
{
	struct listener *l = arg;

	l->connecting = true;
	loop_submit(l->loop, &l->task);
}

struct listener *listener_new(struct loop *loop, const struct settings *s, const char *channel,
			      void (*fn)(void *arg), void *arg)
{
	struct listener *l = mem_zalloc(sizeof(*l));

	l->task = (struct task){ .lane = LANE_MISC, .run = connect_run, .done = connect_done };
	l->loop = loop;
	l->settings = s;
	l->channel = channel;
	l->fn = fn;
	l->arg = arg;
	l->timer = loop_timer_new(loop, connect, l);
	loop_timer_start(l->timer, 0);
	return l;
}

void listener_stop(struct listener *l)
{
	l->stopped = true;
	loop_timer_stop(l->timer);
	if (!l->connecting) /* else the connection is the worker's, and connect_done() ends it */
		disconnect(l);
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	disconnect(l);
	loop_timer_free(l->timer);
	free(l);
}
