/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One WebSocket. It holds at most one page of notifications; the next is read
 * when the last one is out, so a slow reader costs itself only. All of them together hold so
 * much and no more. Nothing here
 * marks mail read.
 */
#include "apid/apid_metrics.h"
#include "apid/presence.h"
#include "apid/ws_private.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
	CLIENT_FRAME_MAX = 32768,
	SEND_BUFFER = 64 * 1024,
	HANDSHAKE_MS = 10000,
	CLOSING_MS = 5000,  /* for the peer to answer a close */
	ANNOUNCE_MS = 2000, /* a wake-up that comes later than the mail was missed */
};

/* Registered after RFC 6455; libwebsockets has no name for it. */
enum { CLOSE_TRY_AGAIN_LATER = 1013 };

static struct slice keep(char **at, struct slice s)
{
	char *p = *at;

	if (s.n)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return slice_of(p, s.n);
}

/* There may be very many: one block for all texts. */
static void keep_subscriber(struct ws_conn *conn, const struct ws_subscriber *sub)
{
	char *at = conn->texts = mem_alloc(sub->key_id.n + sub->session_hash.n + sub->user_id.n +
					   sub->email.n + sub->address.n);

	conn->sub = (struct ws_subscriber){
		.key_id = keep(&at, sub->key_id),
		.session_hash = keep(&at, sub->session_hash),
		.user_id = keep(&at, sub->user_id),
		.email = keep(&at, sub->email),
		.address = keep(&at, sub->address),
		.live_us = sub->live_us,
		.only_new = sub->only_new,
	};
}

struct ws_conn *ws_conn_new(struct ws *ws, int fd, const struct ws_subscriber *sub)
{
	const int send_buffer = SEND_BUFFER;
	struct ws_conn *conn = mem_zalloc(sizeof(*conn));

	conn->ws = ws;
	conn->fd = fd;
	keep_subscriber(conn, sub);
	/* Else the kernel keeps megabytes for a slow reader. What it refuses does no harm. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	conn->out_tail = &conn->out;
	conn->adopted_ms = conn->checked_ms = conn->ping_ms = clock_mono_ms();
	ws_stream_init(&conn->stream, sub->live_us, sub->only_new);
	return conn;
}

struct store_listener ws_conn_listener(const struct ws_conn *conn, struct arena *a)
{
	return (struct store_listener){
		.key_id = arena_slice(a, conn->sub.key_id),
		.session_hash = arena_slice(a, conn->sub.session_hash),
		.address = arena_slice(a, conn->sub.address),
	};
}

void ws_hold(struct ws *ws, size_t more, size_t less)
{
	ws->held += more - less;
	metric_set(&apid_metrics[APID_SOCKETS_HELD], (int64_t)ws->held);
}

static void drop_frames(struct ws_conn *conn)
{
	while (conn->out) {
		struct ws_frame *f = conn->out;

		conn->out = f->next;
		ws_hold(conn->ws, 0, f->n);
		free(f);
	}
	conn->out_tail = &conn->out;
}

void ws_conn_free(struct ws_conn *conn)
{
	drop_frames(conn);
	if (conn->fd >= 0)
		close(conn->fd);
	ws_stream_release(&conn->stream);
	free(conn->texts);
	free(conn);
}

/* Of the agent, and no page of ours. */
static bool is_client(const struct ws_conn *conn)
{
	return conn->sub.key_id.n > 0;
}

int ws_conn_established(struct ws_conn *conn, struct lws *wsi)
{
	conn->wsi = wsi;
	conn->established = true;
	metric_add(&apid_metrics[APID_SOCKETS], 1);
	if (is_client(conn))
		presence_open(conn->ws->app->presence, PRESENCE_SOCKET, conn->sub.email);
	conn->progress_ms = conn->ping_ms = clock_mono_ms();
	log_info("ws_open", LF_SLICE("agent", conn->sub.email),
		 LF_SLICE("key", conn->sub.key_id.n ? conn->sub.key_id : S("session")));
	if (conn->ws->stop_deadline_ms)
		ws_conn_close(conn, LWS_CLOSE_STATUS_GOINGAWAY, "server shutting down");
	else
		ws_conn_wake(conn);
	return 0;
}

static int write_close(struct ws_conn *conn)
{
	unsigned char reason[128];
	size_t n = strlen(conn->close_reason);

	memcpy(reason, conn->close_reason, n);
	lws_close_reason(conn->wsi, (enum lws_close_status)conn->close_code, reason, n);
	return -1;
}

/* With a byte in it: libwebsockets does not report the answer to an empty one. */
static int write_ping(struct ws_conn *conn)
{
	unsigned char room[LWS_PRE + 1] = { [LWS_PRE] = '.' };

	conn->ping_due = false;
	conn->pong_missing = true;
	conn->ping_ms = clock_mono_ms();
	return lws_write(conn->wsi, room + LWS_PRE, 1, LWS_WRITE_PING) < 0 ? -1 : 0;
}

static int write_frame(struct ws_conn *conn)
{
	struct ws_frame *f = conn->out;
	int n;

	conn->out = f->next;
	if (!conn->out)
		conn->out_tail = &conn->out;
	n = lws_write(conn->wsi, f->bytes + LWS_PRE, f->n, LWS_WRITE_TEXT);
	metric_add(&apid_metrics[APID_FRAMES], 1);
	if (f->stored_us)
		metric_observe(&apid_metrics[APID_FRAME_MS],
			       (clock_now_us() - f->stored_us) / 1000);
	ws_hold(conn->ws, 0, f->n);
	free(f);
	return n < 0 ? -1 : 0;
}

int ws_conn_writable(struct ws_conn *conn)
{
	int ret = 0;

	conn->progress_ms = clock_mono_ms();
	if (conn->close_code)
		return write_close(conn);
	if (conn->ping_due)
		ret = write_ping(conn);
	else if (conn->out)
		ret = write_frame(conn);
	if (ret)
		return ret;
	if (conn->out)
		lws_callback_on_writable(conn->wsi);
	else if (conn->wanted)
		ws_conn_wake(conn);
	return 0;
}

/* What clients send has no meaning; it is only not allowed to be endless. */
int ws_conn_received(struct ws_conn *conn, size_t n)
{
	conn->rx_bytes += n;
	if (conn->rx_bytes > CLIENT_FRAME_MAX)
		ws_conn_close(conn, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "message too big");
	if (lws_is_final_fragment(conn->wsi))
		conn->rx_bytes = 0;
	return 0;
}

void ws_conn_pong(struct ws_conn *conn)
{
	conn->pong_missing = false;
}

void ws_conn_close(struct ws_conn *conn, int code, const char *reason)
{
	if (conn->close_code || !conn->wsi)
		return;
	conn->close_code = code;
	conn->close_reason = reason;
	conn->closing_ms = clock_mono_ms();
	drop_frames(conn);
	lws_callback_on_writable(conn->wsi);
}

void ws_conn_wake(struct ws_conn *conn)
{
	conn->wanted = true;
	if (conn->established && !conn->fetching && !conn->out && !conn->close_code &&
	    !conn->failed && !conn->gone)
		ws_fetch_start(conn);
}

void ws_conn_wake_polled(struct ws_conn *conn)
{
	if (conn->stream.live && !conn->wanted && !conn->fetching)
		conn->polled = true;
	ws_conn_wake(conn);
}

void ws_conn_wake_announced(struct ws_conn *conn)
{
	conn->polled = false;
	conn->unannounced_ms = 0;
	ws_conn_wake(conn);
}

static void tick_announced(struct ws_conn *conn, int64_t now_ms)
{
	if (!conn->unannounced_ms || now_ms - conn->unannounced_ms < ANNOUNCE_MS)
		return;
	metric_add(&apid_metrics[APID_WAKES_MISSED], 1);
	conn->unannounced_ms = 0;
}

static void cut(struct ws_conn *conn)
{
	lws_set_timeout(conn->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
}

static void tick_ping(struct ws_conn *conn, const struct settings *s, int64_t now_ms)
{
	if (conn->pong_missing && now_ms - conn->ping_ms > s->ws_pong_timeout_ms) {
		ws_conn_close(conn, LWS_CLOSE_STATUS_GOINGAWAY, "ping timeout");
	} else if (!conn->pong_missing && !conn->ping_due &&
		   now_ms - conn->ping_ms >= s->ws_ping_ms) {
		conn->ping_due = true;
		conn->progress_ms = now_ms;
		lws_callback_on_writable(conn->wsi);
	}
}

void ws_conn_tick(struct ws_conn *conn, int64_t now_ms)
{
	const struct settings *s = conn->ws->app->settings;

	if (!conn->wsi)
		return;
	if (!conn->established) {
		if (now_ms - conn->adopted_ms > HANDSHAKE_MS)
			cut(conn);
		return;
	}
	if (conn->close_code) {
		if (now_ms - conn->closing_ms > CLOSING_MS)
			cut(conn);
		return;
	}
	/* A ping that waits means that the frame before it is still stuck in the library. */
	if ((conn->out || conn->ping_due) && now_ms - conn->progress_ms > s->ws_write_timeout_ms) {
		log_info("ws_slow", LF_SLICE("agent", conn->sub.email));
		ws_conn_close(conn, CLOSE_TRY_AGAIN_LATER, "too slow");
		return;
	}
	tick_ping(conn, s, now_ms);
	tick_announced(conn, now_ms);
	conn->failed = false;
	if (conn->wanted)
		ws_conn_wake(conn);
}

void ws_conn_gone(struct ws_conn *conn)
{
	if (conn->established && !conn->gone) {
		apid_count_closed(conn->close_code);
		if (is_client(conn))
			presence_close(conn->ws->app->presence, PRESENCE_SOCKET, conn->sub.email);
		log_info("ws_close", LF_SLICE("agent", conn->sub.email),
			 LF_INT("code", conn->close_code));
	}
	conn->gone = true;
	conn->wsi = NULL;
	if (conn->adopting || conn->fetching || conn->checking)
		return;
	ws_index_remove(conn->ws, conn);
	ws_conn_free(conn);
}
