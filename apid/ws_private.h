/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the WebSocket side. Everything here belongs to the
 * WebSocket thread, except where a comment says "under the lock". Other threads
 * reach it by events only.
 */
#ifndef E2A_APID_WS_PRIVATE_H
#define E2A_APID_WS_PRIVATE_H

#include "apid/workers.h"
#include "apid/ws.h"
#include "apid/ws_stream.h"

#include <libwebsockets.h>
#include <pthread.h>

enum { WS_BUCKETS = 4096 };
#define WS_NOT_AUTHORIZED "no longer authorized"

/* Work for the WebSocket thread. `run` owns the struct that it is part of. */
struct ws_event {
	struct ws_event *next;
	void (*run)(struct ws *ws, struct ws_event *e);
};

/* One text frame, with the room that libwebsockets wants before it. */
struct ws_frame {
	struct ws_frame *next;
	int64_t stored_us; /* when its mail was; 0 for the backlog */
	size_t n;
	unsigned char bytes[]; /* LWS_PRE, then n */
};

struct ws_conn {
	struct ws_conn *next, *next_of_user; /* in their buckets; under the lock */
	struct ws_event adopt;
	struct ws *ws;
	char *texts;
	struct ws_subscriber sub; /* whose texts those are */
	int fd;                   /* until libwebsockets has it */
	struct lws *wsi;          /* NULL before and after */
	bool established;
	bool adopting; /* inside the call that adopts it */
	bool gone;     /* closed; freed when no worker has work for it */
	struct ws_stream stream;
	bool wanted;            /* there may be something to read */
	bool fetching;          /* a worker reads */
	bool checking;          /* a worker looks whether it may still listen */
	bool suspect;           /* something changed: look soon */
	bool failed;            /* the last read failed: wait for the next tick */
	bool polled;            /* what is read next was found by the poll */
	int64_t unannounced_ms; /* since when what it found has no wake-up; 0: all has */
	struct ws_frame *out, **out_tail;
	int64_t adopted_ms, checked_ms, progress_ms, ping_ms;
	bool ping_due, pong_missing;
	size_t rx_bytes; /* of the client's frame that is coming in */
	int close_code;  /* 0: not closing */
	const char *close_reason;
	int64_t closing_ms;
};

struct ws {
	const struct app *app;
	pthread_t thread;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct ws_loop *loop; /* NULL: libwebsockets' own */
	lws_sorted_usec_list_t tick;
	bool polling, poll_again, checking;
	bool storage_failed;
	int64_t polled_ms; /* when the last poll that succeeded began */
	unsigned ticks;
	size_t held; /* bytes of frames, and what reads under way may bring */
	bool ended;
	int64_t stop_deadline_ms; /* 0: not stopping */
	pthread_mutex_t lock;
	struct ws_event *events, **events_tail; /* under the lock */
	bool look_all, suspect_all;             /* under the lock */
	size_t hints;                           /* under the lock: queued events of ws_hint.c */
	bool refusing;                          /* under the lock: ws_stop() was called */
	struct ws_conn *buckets[WS_BUCKETS];    /* by address; under the lock */
	struct ws_conn *users[WS_BUCKETS];      /* by user; under the lock */
	size_t conns_n;                         /* under the lock */
};

/* ws.c: queues the event and wakes the thread. Thread-safe. */
void ws_post(struct ws *ws, struct ws_event *e);

/* ws_index.c: who is connected. All of these take the lock. */
bool ws_index_add(struct ws *ws, struct ws_conn *conn);
void ws_index_remove(struct ws *ws, struct ws_conn *conn);
size_t ws_index_count(struct ws *ws);
/* Is anybody connected to this agent? Thread-safe. */
bool ws_index_has(struct ws *ws, struct slice address);
void ws_index_each(struct ws *ws, void (*fn)(struct ws_conn *conn, void *arg), void *arg);
/* Those of one agent. */
void ws_index_of(struct ws *ws, struct slice address, void (*fn)(struct ws_conn *conn, void *arg),
		 void *arg);
/* Those of one user. */
void ws_index_of_user(struct ws *ws, struct slice user_id,
		      void (*fn)(struct ws_conn *conn, void *arg), void *arg);

/* ws_conn.c: one socket. */
struct store_listener ws_conn_listener(const struct ws_conn *conn, struct arena *a);
struct ws_conn *ws_conn_new(struct ws *ws, int fd, const struct ws_subscriber *sub);
void ws_conn_free(struct ws_conn *conn);
/* Libwebsockets' callbacks; what they return goes back to it. */
int ws_conn_established(struct ws_conn *conn, struct lws *wsi);
int ws_conn_writable(struct ws_conn *conn);
int ws_conn_received(struct ws_conn *conn, size_t n);
void ws_conn_pong(struct ws_conn *conn);
/* Begins to close with a code and a literal reason. */
void ws_conn_close(struct ws_conn *conn, int code, const char *reason);
/* There may be new mail: reads it, now or when the last page is out. */
void ws_conn_wake(struct ws_conn *conn);
/* The same, because the poll found some. */
void ws_conn_wake_polled(struct ws_conn *conn);
/* The same, because a wake-up came. */
void ws_conn_wake_announced(struct ws_conn *conn);
void ws_conn_tick(struct ws_conn *conn, int64_t now_ms);
/* The socket is closed; frees the connection as soon as nobody uses it. */
void ws_conn_gone(struct ws_conn *conn);
/* Notes bytes that are held for sockets, or no longer. */
void ws_hold(struct ws *ws, size_t more, size_t less);

/* ws_hint.c: what came for everybody. */
void ws_hint_run(struct ws *ws);

/* ws_fetch.c: reads on workers. */
void ws_fetch_start(struct ws_conn *conn);
/* One line when the database goes away and one when it is back, not one per socket. */
void ws_note_storage(struct ws *ws, enum err e, const struct fail *fail);

/* ws_poll.c: wakes who has not been told of recent mail, in case a wake-up was lost. */
void ws_poll_start(struct ws *ws);

/* ws_check.c: closes those that may listen no longer, of them that are due. */
void ws_check_start(struct ws *ws);

#endif
