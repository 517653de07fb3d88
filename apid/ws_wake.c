/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LISTEN on a connection of its own. A notification is a hint: what is lost
 * while the connection is down is made up for by waking everybody afterwards,
 * and by the polls of the WebSockets and of those who wait.
 */
#include "apid/ws_wake.h"

#include "apid/apid_metrics.h"
#include "apid/waits.h"
#include "apid/ws.h"
#include "common/base/log.h"
#include "common/store/db.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RETRY_MS = 1000, IDLE_MS = 30000 };

struct ws_wake {
	const struct app *app;
	pthread_t thread;
	int stop;
	bool down;
};

static void wake(struct ws_wake *w, struct slice agents)
{
	metric_add(&apid_metrics[APID_WAKES], 1);
	ws_wake(w->app->ws, agents);
	waits_wake(w->app->waits, agents);
}

static void suspect(struct ws_wake *w, struct slice user_id)
{
	ws_suspect(w->app->ws, user_id);
	waits_suspect(w->app->waits, user_id);
}

static void pass_on(struct slice channel, struct slice payload, void *arg)
{
	struct ws_wake *w = arg;

	if (slice_eq(channel, S(WS_ACCESS_CHANNEL)))
		suspect(w, payload);
	else
		wake(w, payload);
}

/* True at the end. */
static bool stopped(struct ws_wake *w, int fd, int wait_ms)
{
	struct pollfd fds[] = { { .fd = w->stop, .events = POLLIN },
				{ .fd = fd, .events = POLLIN } };

	return poll(fds, 2, wait_ms) > 0 && fds[0].revents;
}

/* Returns when the connection is lost or the end has come. */
static enum err listen_on(struct ws_wake *w, struct db *db, struct fail *fail)
{
	enum err e = db_listen(db, WS_WAKE_CHANNEL, fail);

	if (e == OK)
		e = db_listen(db, WS_ACCESS_CHANNEL, fail);
	if (e == OK && w->down)
		log_info("listen_works_again");
	if (e == OK) {
		w->down = false;
		ws_wake(w->app->ws, S("*"));
		waits_wake(w->app->waits, S("*"));
		suspect(w, S("*"));
	}
	while (e == OK && !stopped(w, db_socket(db), IDLE_MS))
		e = db_notifications(db, pass_on, w, fail);
	return e;
}

static void *run(void *arg)
{
	struct ws_wake *w = arg;
	struct db *db = db_new(w->app->settings->database_url, "e2a_apid", "e2a-apid wake");

	while (!stopped(w, -1, 0)) {
		struct fail fail = { 0 };

		if (listen_on(w, db, &fail) == OK)
			break;
		if (!w->down) {
			metric_add(&apid_metrics[APID_LISTEN_LOST], 1);
			log_warn("listen_failed", LF_STR("detail", fail.what));
		}
		w->down = true;
		if (stopped(w, -1, RETRY_MS))
			break;
	}
	db_close(db);
	return NULL;
}

struct ws_wake *ws_wake_new(const struct app *app)
{
	struct ws_wake *w = mem_zalloc(sizeof(*w));

	w->app = app;
	w->stop = eventfd(0, EFD_CLOEXEC);
	if (w->stop < 0 || pthread_create(&w->thread, NULL, run, w))
		abort(); /* out of resources before anything was served */
	return w;
}

void ws_wake_free(struct ws_wake *w)
{
	const uint64_t one = 1;

	if (!w)
		return;
	if (write(w->stop, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes this always */
	pthread_join(w->thread, NULL);
	close(w->stop);
	free(w);
}
