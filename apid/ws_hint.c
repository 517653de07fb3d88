/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hints from other threads: who may have mail, whose rights may have changed. Only so
 * many are kept; more become one look at everybody.
 */
#include "apid/ws_private.h"
#include "common/mail/addr.h"

enum { HINTS_MAX = 1000 };

struct hint {
	struct ws_event event;
	struct arena arena;
	struct slice text;
};

static void wake_conn(struct ws_conn *conn, void *arg)
{
	(void)arg;
	ws_conn_wake_announced(conn);
}

static void suspect_conn(struct ws_conn *conn, void *arg)
{
	(void)arg;
	conn->suspect = true;
}

static void free_hint(struct ws *ws, struct hint *h)
{
	pthread_mutex_lock(&ws->lock);
	ws->hints--;
	pthread_mutex_unlock(&ws->lock);
	arena_release(&h->arena);
	free(h);
}

static void run_wake(struct ws *ws, struct ws_event *e)
{
	struct hint *h = lws_container_of(e, struct hint, event);
	struct slice rest = h->text, name, address;

	while (slice_cut(&rest, ' ', &name))
		if (addr_fold(name, &h->arena, &address) == OK)
			ws_index_of(ws, address, wake_conn, NULL);
	free_hint(ws, h);
}

static void run_suspect(struct ws *ws, struct ws_event *e)
{
	struct hint *h = lws_container_of(e, struct hint, event);

	ws_index_of_user(ws, h->text, suspect_conn, NULL);
	free_hint(ws, h);
	ws_check_start(ws);
}

void ws_hint_run(struct ws *ws)
{
	bool look, suspect;

	pthread_mutex_lock(&ws->lock);
	look = ws->look_all;
	suspect = ws->suspect_all;
	ws->look_all = ws->suspect_all = false;
	pthread_mutex_unlock(&ws->lock);
	if (look) {
		ws->poll_again = true;
		ws_poll_start(ws);
	}
	if (suspect) {
		ws_index_each(ws, suspect_conn, NULL);
		ws_check_start(ws);
	}
}

static void give(struct ws *ws, struct slice text, bool *all,
		 void (*run)(struct ws *ws, struct ws_event *e))
{
	struct hint *h;
	bool full;

	pthread_mutex_lock(&ws->lock);
	full = slice_eq(text, S("*")) || ws->hints >= HINTS_MAX;
	if (full)
		*all = true;
	else
		ws->hints++;
	pthread_mutex_unlock(&ws->lock);
	if (full) {
		lws_cancel_service(ws->context);
		return;
	}
	h = mem_zalloc(sizeof(*h));
	h->event.run = run;
	h->text = arena_slice(&h->arena, text);
	ws_post(ws, &h->event);
}

void ws_wake(struct ws *ws, struct slice agents)
{
	give(ws, agents, &ws->look_all, run_wake);
}

void ws_suspect(struct ws *ws, struct slice user_id)
{
	give(ws, user_id, &ws->suspect_all, run_suspect);
}
