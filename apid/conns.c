/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of the HTTP server. Never closes a socket: it only shuts it down. */
#include "apid/conns.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <sys/socket.h>

void conns_init(struct conns *c, int64_t reading_ms, int64_t writing_ms)
{
	*c = (struct conns){ .limit_ms = {
				     [CONN_READING] = reading_ms, [CONN_WRITING] = writing_ms } };
	pthread_mutex_init(&c->lock, NULL);
	c->head.prev = c->head.next = &c->head;
}

void conns_release(struct conns *c)
{
	pthread_mutex_destroy(&c->lock);
}

struct conn *conns_add(struct conns *c, int fd)
{
	struct conn *conn = mem_zalloc(sizeof(*conn));

	conn->fd = fd;
	conn->since_ms = clock_mono_ms();
	pthread_mutex_lock(&c->lock);
	conn->next = &c->head;
	conn->prev = c->head.prev;
	conn->prev->next = conn->next->prev = conn;
	pthread_mutex_unlock(&c->lock);
	return conn;
}

void conns_remove(struct conns *c, struct conn *conn)
{
	pthread_mutex_lock(&c->lock);
	conn->prev->next = conn->next;
	conn->next->prev = conn->prev;
	pthread_mutex_unlock(&c->lock);
	free(conn);
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
