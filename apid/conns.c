/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of the HTTP server. Never closes a socket: it only shuts it down. */
#include "apid/conns.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <assert.h>

void conns_init(struct conns *c, struct peers *peers, int64_t reading_ms, int64_t writing_ms)
{
	*c = (struct conns){ .peers = peers,
			     .limit_ms = {
				     [CONN_READING] = reading_ms, [CONN_WRITING] = writing_ms } };
	pthread_mutex_init(&c->lock, NULL);
	c->head.prev = c->head.next = &c->head;
	c->announced.prev = c->announced.next = &c->announced;
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
	peers_leave(c->peers, &conn->peer);
	free(conn);
}

void conns_release(struct conns *c)
{
	while (c->announced.next != &c->announced)
		discard(c, take_announced(c, c->announced.next->fd));
	pthread_mutex_destroy(&c->lock);
}

void conns_announce(struct conns *c, int fd, const struct client_peer *peer)
{
	struct conn *conn = mem_zalloc(sizeof(*conn));

	conn->fd = fd;
	conn->peer = *peer;
	pthread_mutex_lock(&c->lock);
	discard(c, take_announced(c, fd));
	link_last(&c->announced, conn);
	pthread_mutex_unlock(&c->lock);
}

struct conn *conns_begin(struct conns *c, int fd)
{
	struct conn *conn;

	pthread_mutex_lock(&c->lock);
	conn = take_announced(c, fd);
	assert(conn);
	conn->since_ms = clock_mono_ms();
	link_last(&c->head, conn);
	pthread_mutex_unlock(&c->lock);
	return conn;
}

void conns_remove(struct conns *c, struct conn *conn)
{
	pthread_mutex_lock(&c->lock);
	unlink_conn(conn);
	pthread_mutex_unlock(&c->lock);
	discard(c, conn);
}

void conns_set(struct conns *c, struct conn *conn, enum conn_state state)
{
	pthread_mutex_lock(&c->lock);
	conn->state = state;
	conn->since_ms = clock_mono_ms();
	pthread_mutex_unlock(&c->lock);
}

void conns_sweep(struct conns *c, int64_t now_ms)
{
	pthread_mutex_lock(&c->lock);
	for (struct conn *i = c->head.next; i != &c->head; i = i->next)
		if (c->limit_ms[i->state] && now_ms - i->since_ms > c->limit_ms[i->state])
			shutdown(i->fd, SHUT_RDWR);
	pthread_mutex_unlock(&c->lock);
}
