/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table in which every question has one place and a newer answer drives an
 * older one out. So it never grows, needs no order of use, and a flood of names
 * costs the others no more than a question to libunbound.
 */
#include "common/mail/dns_cache.h"

#include "common/base/mem.h"

#include <pthread.h>

enum {
	SLOTS = 4096,
	BYTES_MAX = 3 * 1024, /* of one answer; a larger one is not kept */
	TTL_MAX_S = 60,
};

struct slot {
	struct arena arena; /* of name and answer */
	struct slice name;
	enum dns_type type;
	struct dns_answer answer;
	int64_t until_ms;
};

struct dns_cache {
	pthread_mutex_t lock;
	struct slot slots[SLOTS];
};

struct dns_cache *dns_cache_new(void)
{
	struct dns_cache *c = mem_zalloc(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void dns_cache_free(struct dns_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		arena_release(&c->slots[i].arena);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* FNV-1a of the lower-case name and the type. Who finds a collision wins nothing by it. */
static struct slot *slot_of(struct dns_cache *c, struct slice name, enum dns_type type)
{
	uint32_t h = 2166136261U ^ (uint32_t)type;

	for (size_t i = 0; i < name.n; i++) {
		unsigned char b = (unsigned char)name.p[i];

		h = (h ^ (b >= 'A' && b <= 'Z' ? b | 0x20U : b)) * 16777619U;
	}
	return &c->slots[h % SLOTS];
}

static void copy(const struct dns_answer *from, struct arena *a, struct dns_answer *ret)
{
	ret->n = from->n;
	ret->ttl = from->ttl;
	ret->v = arena_calloc(a, from->n, sizeof(*ret->v));
	for (size_t i = 0; i < from->n; i++)
		ret->v[i] = arena_slice(a, from->v[i]);
}

bool dns_cache_get(struct dns_cache *c, struct slice name, enum dns_type type, int64_t now_ms,
		   struct arena *a, struct dns_answer *ret)
{
	struct slot *s = slot_of(c, name, type);
	bool hit;

	pthread_mutex_lock(&c->lock);
	hit = s->type == type && now_ms < s->until_ms && slice_ieq(s->name, name);
	if (hit) {
		copy(&s->answer, a, ret);
		ret->ttl = (uint32_t)((s->until_ms - now_ms) / 1000);
	}
	pthread_mutex_unlock(&c->lock);
	return hit;
}

static size_t bytes_of(const struct dns_answer *answer)
{
	size_t n = answer->n * sizeof(*answer->v);

	for (size_t i = 0; i < answer->n; i++)
		n += answer->v[i].n;
	return n;
}

void dns_cache_put(struct dns_cache *c, struct slice name, enum dns_type type, int64_t now_ms,
		   const struct dns_answer *answer)
{
	struct slot *s = slot_of(c, name, type);
	uint32_t ttl = answer->ttl < TTL_MAX_S ? answer->ttl : TTL_MAX_S;

	if (ttl == 0 || bytes_of(answer) > BYTES_MAX)
		return;
	pthread_mutex_lock(&c->lock);
	arena_release(&s->arena);
	s->name = arena_slice(&s->arena, name);
	s->type = type;
	copy(answer, &s->arena, &s->answer);
	s->until_ms = now_ms + (int64_t)ttl * 1000;
	pthread_mutex_unlock(&c->lock);
}
