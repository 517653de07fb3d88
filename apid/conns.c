/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of the HTTP server. Never closes a socket: it only shuts it down. */
#include "apid/conns.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <assert.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { END_GRACE_MS = 1000, ENDS_AT_ONCE = 64 };

void conns_init(struct conns *c, struct peers *peers, size_t most,
		const struct conns_limits *limits)
{
	*c = (struct conns){ .peers = peers,
			     .most = most,
			     .limit_ms = { [CONN_READING] = limits->reading_ms,
					   [CONN_WRITING] = limits->writing_ms,
					   [CONN_TELLING] = limits->telling_ms } };
	pthread_mutex_init(&c->lock, NULL);
	c->head.prev = c->head.next = &c->head;
	c->announced.prev = c->announced.next = &c->announced;
	c->ends = epoll_create1(EPOLL_CLOEXEC);
	if (c->ends < 0)
		abort(); /* out of descriptors before anything was served */
}

static void link_last(struct conn *ring, struct conn *conn)
{
	conn->next = ring;
	conn->prev = ring->prev;
	conn->prev->next = conn->next->prev = conn;
}

static void unlink_conn(struct conn *conn)
{
	conn->prev->next = conn->next;
	conn->next->prev = conn->prev;
}

static struct conn *take_announced(struct conns *c, int fd)
{
	struct conn *i = c->announced.next;

	while (i != &c->announced && i->fd != fd)
		i = i->next;
	if (i == &c->announced)
		return NULL;
	unlink_conn(i);
	return i;
}

static void discard(struct conns *c, struct conn *conn)
{
	if (!conn)
		return;
	c->n--;
	c->beside -= conn->beside;
	peers_leave(c->peers, &conn->peer);
	free(conn);
}

void conns_release(struct conns *c)
{
	while (c->announced.next != &c->announced)
		discard(c, take_announced(c, c->announced.next->fd));
	close(c->ends);
	pthread_mutex_destroy(&c->lock);
}

/* Without memory in the kernel for it, the time-outs alone have to do. */
static void watch_end(struct conns *c, struct conn *conn)
{
	struct epoll_event event = { .events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = conn };

	epoll_ctl(c->ends, EPOLL_CTL_ADD, conn->fd, &event);
}

static void announce(struct conns *c, int fd, const struct client_peer *peer)
{
	struct conn *conn = mem_zalloc(sizeof(*conn));

	conn->fd = fd;
	conn->peer = *peer;
	link_last(&c->announced, conn);
	c->n++;
}

bool conns_announce(struct conns *c, int fd, const struct client_peer *peer)
{
	bool room;

	pthread_mutex_lock(&c->lock);
	discard(c, take_announced(c, fd));
	room = c->n - c->beside < c->most;
	if (room)
		announce(c, fd, peer);
	pthread_mutex_unlock(&c->lock);
	return room;
}

struct conn *conns_begin(struct conns *c, int fd)
{
	struct conn *conn;

	pthread_mutex_lock(&c->lock);
	conn = take_announced(c, fd);
	assert(conn);
	conn->since_ms = clock_mono_ms();
	link_last(&c->head, conn);
	watch_end(c, conn);
	pthread_mutex_unlock(&c->lock);
	return conn;
}

void conns_remove(struct conns *c, struct conn *conn)
{
	pthread_mutex_lock(&c->lock);
	unlink_conn(conn);
	epoll_ctl(c->ends, EPOLL_CTL_DEL, conn->fd, NULL);
	discard(c, conn);
	pthread_mutex_unlock(&c->lock);
}

/* Mail for many that wait must not fill the places of those who ask for something else. */
static bool is_beside(const struct conn *conn, enum conn_state state)
{
	return state == CONN_WAITING || state == CONN_TELLING ||
	       (state == CONN_RUNNING && conn->beside);
}

void conns_set(struct conns *c, struct conn *conn, enum conn_state state)
{
	bool beside = is_beside(conn, state);

	pthread_mutex_lock(&c->lock);
	c->beside += (size_t)beside - (size_t)conn->beside;
	conn->beside = beside;
	conn->state = state;
	conn->since_ms = clock_mono_ms();
	pthread_mutex_unlock(&c->lock);
}

static void note_ends(struct conns *c, int64_t now_ms)
{
	struct epoll_event events[ENDS_AT_ONCE];
	int n;

	while ((n = epoll_wait(c->ends, events, ENDS_AT_ONCE, 0)) > 0)
		for (int i = 0; i < n; i++)
			((struct conn *)events[i].data.ptr)->ended_ms = now_ms;
}

/* The rest of a request will never come. What came before the end may be on its way to us yet. */
static bool is_over(const struct conn *conn, int64_t now_ms)
{
	return conn->ended_ms && conn->state == CONN_READING &&
	       now_ms - conn->ended_ms >= END_GRACE_MS && now_ms - conn->since_ms >= END_GRACE_MS;
}

static bool is_late(const struct conns *c, const struct conn *conn, int64_t now_ms)
{
	int64_t limit_ms = c->limit_ms[conn->state];

	return limit_ms && now_ms - conn->since_ms > limit_ms;
}

void conns_sweep(struct conns *c, int64_t now_ms)
{
	pthread_mutex_lock(&c->lock);
	note_ends(c, now_ms);
	for (struct conn *i = c->head.next; i != &c->head; i = i->next)
		if (is_late(c, i, now_ms) || is_over(i, now_ms))
			shutdown(i->fd, SHUT_RDWR);
	pthread_mutex_unlock(&c->lock);
}
