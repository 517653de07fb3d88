/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each HTTP connection is doing and since when, so that a peer that drips
 * bytes is cut off: libmicrohttpd's own time-out starts anew with every byte. And
 * so that one that sends no more is let go: libmicrohttpd overlooks an end that
 * came together with data, and would keep it until the time-out.
 */
#ifndef E2A_APID_CONNS_H
#define E2A_APID_CONNS_H

#include "apid/peers.h"

#include <pthread.h>

enum conn_state {
	CONN_READING, /* idle, or a request is coming in */
	CONN_RUNNING, /* a worker has the request */
	CONN_WRITING, /* the response goes out */
	CONN_TELLING, /* events go out, behind which more will come */
	CONN_WAITING, /* the request waits for mail */
	CONN_STATES
};

struct conn {
	struct conn *prev, *next;
	int fd;
	struct client_peer peer;
	enum conn_state state;
	bool beside; /* it waits or tells, or runs in between: not one of `most` */
	int64_t since_ms;
	int64_t ended_ms; /* when the peer was seen to send no more, else 0 */
	void *request;    /* under way on it; the server's alone */
};

struct conns {
	pthread_mutex_t lock;
	struct peers *peers;
	struct conn head;              /* of a ring */
	struct conn announced;         /* of another */
	size_t n, most;                /* of both */
	size_t beside;                 /* of n */
	int ends;                      /* epoll: whose peers send no more */
	int64_t limit_ms[CONN_STATES]; /* 0: none */
};

/* Of each state but CONN_RUNNING and CONN_WAITING how long it may last; 0: no limit. */
struct conns_limits {
	int64_t reading_ms, writing_ms, telling_ms;
};

void conns_init(struct conns *c, struct peers *peers, size_t most,
		const struct conns_limits *limits);
void conns_release(struct conns *c);
/*
 * Libmicrohttpd tells of a new connection by its descriptor, and of one that it
 * closed at once not at all. So each is announced before it gets the socket; what is
 * still announced when the descriptor comes again was such a one. The peer has
 * entered (peers_enter) and leaves with the connection. False when there are `most`.
 */
bool conns_announce(struct conns *c, int fd, const struct client_peer *peer);
/* It has begun: the announced connection of this descriptor. */
struct conn *conns_begin(struct conns *c, int fd);
/* Before the socket is closed. */
void conns_remove(struct conns *c, struct conn *conn);
void conns_set(struct conns *c, struct conn *conn, enum conn_state state);
/*
 * Shuts down every connection that is past its limit, and those that wait for a
 * peer that sends no more; to be called about once a second.
 */
void conns_sweep(struct conns *c, int64_t now_ms);

#endif
