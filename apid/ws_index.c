/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets by agent and by user. Entries come from workers and leave on the WebSocket thread. */
#include "apid/ws_private.h"

/* FNV-1a: addresses and users are our own, not for attackers to choose at will. */
static size_t bucket_of(struct slice name)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * 1099511628211ULL;
	return (h ^ h >> 32) % WS_BUCKETS;
}

static size_t count(struct ws *ws, struct slice address)
{
	size_t n = 0;

	for (struct ws_conn *i = ws->buckets[bucket_of(address)]; i; i = i->next)
		n += slice_eq(i->sub.address, address);
	return n;
}

static size_t count_of_user(struct ws *ws, struct slice user_id)
{
	size_t n = 0;

	for (struct ws_conn *i = ws->users[bucket_of(user_id)]; i; i = i->next_of_user)
		n += slice_eq(i->sub.user_id, user_id);
	return n;
}

/* The lock is held. */
static bool full(struct ws *ws, struct slice user_id, struct slice address)
{
	const struct settings *s = ws->app->settings;

	return ws->conns_n >= (size_t)s->ws_max || count(ws, address) >= (size_t)s->ws_per_agent ||
	       count_of_user(ws, user_id) >= (size_t)s->ws_per_user;
}

bool ws_full(struct ws *ws, struct slice user_id, struct slice address)
{
	bool ret;

	pthread_mutex_lock(&ws->lock);
	ret = full(ws, user_id, address);
	pthread_mutex_unlock(&ws->lock);
	return ret;
}

bool ws_index_has(struct ws *ws, struct slice address)
{
	bool ret;

	pthread_mutex_lock(&ws->lock);
	ret = count(ws, address) > 0;
	pthread_mutex_unlock(&ws->lock);
	return ret;
}

static void link_conn(struct ws *ws, struct ws_conn *conn)
{
	struct ws_conn **bucket = &ws->buckets[bucket_of(conn->sub.address)];
	struct ws_conn **user = &ws->users[bucket_of(conn->sub.user_id)];

	conn->next = *bucket;
	*bucket = conn;
	conn->next_of_user = *user;
	*user = conn;
	ws->conns_n++;
}

bool ws_index_add(struct ws *ws, struct ws_conn *conn)
{
	bool ok;

	pthread_mutex_lock(&ws->lock);
	ok = !ws->refusing && !full(ws, conn->sub.user_id, conn->sub.address);
	if (ok)
		link_conn(ws, conn);
	pthread_mutex_unlock(&ws->lock);
	return ok;
}

static void unlink_conn(struct ws *ws, struct ws_conn *conn)
{
	struct ws_conn **at = &ws->buckets[bucket_of(conn->sub.address)];
	struct ws_conn **user = &ws->users[bucket_of(conn->sub.user_id)];

	while (*at && *at != conn)
		at = &(*at)->next;
	if (!*at)
		return; /* it was never added */
	*at = conn->next;
	while (*user != conn)
		user = &(*user)->next_of_user;
	*user = conn->next_of_user;
	ws->conns_n--;
}

void ws_index_remove(struct ws *ws, struct ws_conn *conn)
{
	pthread_mutex_lock(&ws->lock);
	unlink_conn(ws, conn);
	pthread_mutex_unlock(&ws->lock);
}

size_t ws_index_count(struct ws *ws)
{
	size_t n;

	pthread_mutex_lock(&ws->lock);
	n = ws->conns_n;
	pthread_mutex_unlock(&ws->lock);
	return n;
}

void ws_index_each(struct ws *ws, void (*fn)(struct ws_conn *conn, void *arg), void *arg)
{
	pthread_mutex_lock(&ws->lock);
	for (size_t b = 0; b < WS_BUCKETS; b++)
		for (struct ws_conn *i = ws->buckets[b]; i; i = i->next)
			fn(i, arg);
	pthread_mutex_unlock(&ws->lock);
}

void ws_index_of(struct ws *ws, struct slice address, void (*fn)(struct ws_conn *conn, void *arg),
		 void *arg)
{
	pthread_mutex_lock(&ws->lock);
	for (struct ws_conn *i = ws->buckets[bucket_of(address)]; i; i = i->next)
		if (slice_eq(i->sub.address, address))
			fn(i, arg);
	pthread_mutex_unlock(&ws->lock);
}

void ws_index_of_user(struct ws *ws, struct slice user_id,
		      void (*fn)(struct ws_conn *conn, void *arg), void *arg)
{
	pthread_mutex_lock(&ws->lock);
	for (struct ws_conn *i = ws->users[bucket_of(user_id)]; i; i = i->next_of_user)
		if (slice_eq(i->sub.user_id, user_id))
			fn(i, arg);
	pthread_mutex_unlock(&ws->lock);
}
