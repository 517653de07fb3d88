/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WebSocket thread. Libwebsockets is not thread-safe: but for its waking-up
 * call (lws_cancel_service), nobody else calls it. This thread never waits for the database.
 */
#include "apid/ws_loop.h"
#include "apid/ws_private.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <unistd.h>

enum {
	TICK_US = 1000000,
	STOP_MS = 5000,
	HEAD_EXTRA = 1024, /* what libwebsockets stores beside a request head */
	RX_BUFFER = 1024,  /* of each socket */
};

void ws_post(struct ws *ws, struct ws_event *e)
{
	pthread_mutex_lock(&ws->lock);
	e->next = NULL;
	*ws->events_tail = e;
	ws->events_tail = &e->next;
	pthread_mutex_unlock(&ws->lock);
	lws_cancel_service(ws->context);
}

static void run_events(struct ws *ws)
{
	struct ws_event *e;

	pthread_mutex_lock(&ws->lock);
	e = ws->events;
	ws->events = NULL;
	ws->events_tail = &ws->events;
	pthread_mutex_unlock(&ws->lock);
	while (e) {
		struct ws_event *next = e->next;

		e->run(ws, e);
		e = next;
	}
	ws_hint_run(ws);
}

static void close_for_stop(struct ws_conn *conn, void *arg)
{
	(void)arg;
	ws_conn_close(conn, LWS_CLOSE_STATUS_GOINGAWAY, "server shutting down");
}

static void tick_conn(struct ws_conn *conn, void *arg)
{
	ws_conn_tick(conn, *(int64_t *)arg);
}

static void schedule_tick(struct ws *ws);

static void on_tick(lws_sorted_usec_list_t *sul)
{
	struct ws *ws = lws_container_of(sul, struct ws, tick);
	int64_t now_ms = clock_mono_ms();

	schedule_tick(ws);
	ws_index_each(ws, tick_conn, &now_ms);
	if (ws->stop_deadline_ms) {
		ws->ended = now_ms >= ws->stop_deadline_ms;
		return;
	}
	ws->ticks++;
	ws_poll_start(ws);
	ws_check_start(ws);
}

static void schedule_tick(struct ws *ws)
{
	lws_sul_schedule(ws->context, 0, &ws->tick, on_tick, TICK_US);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len)
{
	struct ws_conn *conn = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	(void)user;
	(void)in;
	if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED)
		run_events(lws_context_user(lws_get_context(wsi)));
	if (!conn)
		return 0;
	switch ((int)reason) {
	case LWS_CALLBACK_ESTABLISHED:
		return ws_conn_established(conn, wsi);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return ws_conn_writable(conn);
	case LWS_CALLBACK_RECEIVE:
		return ws_conn_received(conn, len);
	case LWS_CALLBACK_RECEIVE_PONG:
		ws_conn_pong(conn);
		return 0;
	case LWS_CALLBACK_HTTP: /* not a handshake after all: there is nothing else here */
		return -1;
	case LWS_CALLBACK_WSI_DESTROY:
		lws_set_opaque_user_data(wsi, NULL);
		ws_conn_gone(conn);
		return 0;
	}
	return 0;
}

static void run_adopt(struct ws *ws, struct ws_event *e)
{
	struct ws_conn *conn = lws_container_of(e, struct ws_conn, adopt);
	lws_adopt_desc_t desc = { .vh = ws->vhost,
				  .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
				  .fd.sockfd = conn->fd,
				  .opaque = conn };
	struct lws *wsi;

	if (ws->ended) {
		ws_conn_gone(conn);
		return;
	}
	conn->fd = -1; /* it is closed also when this fails */
	conn->adopting = true;
	wsi = lws_adopt_descriptor_vhost_via_info(&desc);
	conn->adopting = false;
	if (!wsi || conn->gone)
		ws_conn_gone(conn);
	else
		conn->wsi = wsi;
}

enum err ws_adopt(struct ws *ws, int fd, const struct ws_subscriber *sub)
{
	struct ws_conn *conn = ws_conn_new(ws, fd, sub);

	conn->adopt.run = run_adopt;
	if (!ws_index_add(ws, conn)) {
		conn->fd = -1;
		ws_conn_free(conn);
		return ERR_BUSY;
	}
	ws_post(ws, &conn->adopt);
	return OK;
}

/* False when it cannot go on. */
static bool serve_some(struct ws *ws)
{
	if (!ws->loop)
		return lws_service(ws->context, 0) >= 0;
	ws_loop_turn(ws->loop);
	return true;
}

static void *serve(void *arg)
{
	struct ws *ws = arg;

	schedule_tick(ws);
	while (!ws->ended && serve_some(ws))
		if (ws->stop_deadline_ms && ws_index_count(ws) == 0)
			break;
	ws->ended = true;
	return NULL;
}

static void on_log(int level, const char *line)
{
	(void)level;
	log_warn("ws_library", LF_SLICE("text", slice_trim(slice_str(line))));
}

static void make_context(struct ws *ws, struct lws_context_creation_info *info)
{
	void *foreign = NULL;

	ws->loop = ws_loop_new();
	if (ws->loop) {
		foreign = ws_loop_foreign(ws->loop);
		info->options |= LWS_SERVER_OPTION_LIBEV;
		info->foreign_loops = &foreign;
		ws->context = lws_create_context(info);
	}
	if (ws->context)
		return;
	log_warn("ws_loop_slow", LF_STR("missing", "libwebsockets-evlib-ev"),
		 LF_STR("effect", "thousands of WebSockets cost CPU time"));
	ws_loop_free(TAKE(ws->loop));
	info->options &= ~(uint64_t)LWS_SERVER_OPTION_LIBEV;
	info->foreign_loops = NULL;
	ws->context = lws_create_context(info);
}

static enum err start(struct ws *ws, struct fail *fail)
{
	static const struct lws_protocols protocols[] = {
		{ .name = "e2a", .callback = callback, .rx_buffer_size = RX_BUFFER },
		{ .name = NULL },
	};
	/* Pings are ours. Libwebsockets would keep a sorted list of all sockets for its own. */
	static const lws_retry_bo_t no_pings = { 0 };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.gid = -1,
		.uid = -1,
		.user = ws,
		.retry_and_idle_policy = &no_pings,
		.max_http_header_data2 =
			(unsigned)ws->app->settings->http_header_limit + HEAD_EXTRA,
		.vhost_name = "e2a",
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
	make_context(ws, &info);
	if (ws->context)
		ws->vhost = lws_create_vhost(ws->context, &info);
	if (!ws->vhost || pthread_create(&ws->thread, NULL, serve, ws))
		return fail_set(fail, ERR_IO, "libwebsockets did not start");
	return OK;
}

enum err ws_new(const struct app *app, struct ws **ret, struct fail *fail)
{
	struct ws *ws = mem_zalloc(sizeof(*ws));
	enum err e;

	ws->app = app;
	ws->events_tail = &ws->events;
	ws->polled_ms = clock_mono_ms();
	pthread_mutex_init(&ws->lock, NULL);
	e = start(ws, fail);
	if (e) {
		ws->ended = true;
		ws_free(ws);
		return e;
	}
	*ret = ws;
	return OK;
}

static void run_stop(struct ws *ws, struct ws_event *e)
{
	ws->stop_deadline_ms = clock_mono_ms() + STOP_MS;
	ws_index_each(ws, close_for_stop, NULL);
	free(e);
}

void ws_stop(struct ws *ws)
{
	struct ws_event *e = mem_zalloc(sizeof(*e));

	pthread_mutex_lock(&ws->lock);
	ws->refusing = true;
	pthread_mutex_unlock(&ws->lock);
	e->run = run_stop;
	ws_post(ws, e);
	pthread_join(ws->thread, NULL);
}

void ws_free(struct ws *ws)
{
	if (!ws)
		return;
	if (ws->context) {
		run_events(ws);
		lws_context_destroy(ws->context);
		run_events(ws);
	}
	ws_loop_free(ws->loop);
	pthread_mutex_destroy(&ws->lock);
	free(ws);
}
