/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with open addressing; the MAC is the key and, being random to
 * everybody, its own hash. A ticket that is good must never be forgotten.
 */
#include "milter/ticket_memory.h"

#include "common/base/mem.h"

#include <pthread.h>

enum { FIRST_CAP = 1024 };

struct place {
	uint8_t mac[32];
	int64_t expires_s; /* 0: nothing is here */
};

struct ticket_memory {
	pthread_mutex_t lock;
	struct place *v;
	size_t cap; /* a power of two */
	size_t n;
	size_t max;
	int64_t start_s;
	int64_t forgotten_s; /* the latest end of a ticket that is not remembered any more */
	int64_t looked_s;    /* when room was last looked for */
};

struct ticket_memory *ticket_memory_new(int64_t now_s, size_t max)
{
	struct ticket_memory *m = mem_zalloc(sizeof(*m));

	pthread_mutex_init(&m->lock, NULL);
	m->start_s = now_s;
	m->max = max;
	m->cap = FIRST_CAP;
	m->v = mem_calloc(m->cap, sizeof(*m->v));
	return m;
}

void ticket_memory_free(struct ticket_memory *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m->v);
	free(m);
}

/* Where the ticket is, or the free place where it belongs. */
static struct place *find(struct ticket_memory *m, const uint8_t mac[32])
{
	size_t i;

	memcpy(&i, mac, sizeof(i));
	for (;; i++) {
		struct place *p = &m->v[i & (m->cap - 1)];

		if (p->expires_s == 0 || memcmp(p->mac, mac, sizeof(p->mac)) == 0)
			return p;
	}
}

static size_t count_good(const struct ticket_memory *m, int64_t now_s)
{
	size_t n = 0;

	for (size_t i = 0; i < m->cap; i++)
		n += m->v[i].expires_s > now_s;
	return n;
}

/* Puts the good ones into a table of which they fill a quarter at most. */
static void rebuild(struct ticket_memory *m, size_t good, int64_t now_s)
{
	struct place *old = m->v;
	size_t old_cap = m->cap;

	for (m->cap = FIRST_CAP; m->cap < 4 * good && m->cap < 2 * m->max;)
		m->cap *= 2;
	m->v = mem_calloc(m->cap, sizeof(*m->v));
	m->n = good;
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].expires_s > now_s)
			*find(m, old[i].mac) = old[i];
		else if (old[i].expires_s > m->forgotten_s)
			m->forgotten_s = old[i].expires_s;
	}
	free(old);
}

/* Whether one more fits. A table that cannot grow is gone through once a second at most. */
static bool make_room(struct ticket_memory *m, int64_t now_s)
{
	size_t good;

	if (m->n < m->max && 2 * (m->n + 1) <= m->cap)
		return true;
	if (m->cap >= 2 * m->max && m->looked_s == now_s)
		return false;
	m->looked_s = now_s;
	good = count_good(m, now_s);
	if (good < m->max)
		rebuild(m, good, now_s);
	return good < m->max;
}

static const char *use(struct ticket_memory *m, const struct ticket *t, int64_t now_s)
{
	struct place *p;

	if (t->issued_s - TICKET_CLOCK_S <= m->start_s)
		return "before_start";
	if (t->expires_s <= m->forgotten_s)
		return "clock_set_back";
	p = find(m, t->mac);
	if (p->expires_s != 0)
		return "used";
	if (!make_room(m, now_s))
		return "memory_full";
	p = find(m, t->mac);
	memcpy(p->mac, t->mac, sizeof(p->mac));
	p->expires_s = t->expires_s;
	m->n++;
	return NULL;
}

const char *ticket_memory_use(struct ticket_memory *m, const struct ticket *t, int64_t now_s)
{
	const char *reason;

	pthread_mutex_lock(&m->lock);
	reason = use(m, t, now_s);
	pthread_mutex_unlock(&m->lock);
	return reason;
}
