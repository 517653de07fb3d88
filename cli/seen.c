/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of hashes and an open-addressed index into it with linear probing. Whoever chooses
 * the ids cannot choose their hashes (SHA-256), so the index never degrades.
 */
#include "cli/seen.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"

#include <assert.h>

enum { CAP_MIN = 256 };

static void make_room_for(struct seen *s, uint32_t cap)
{
	s->cap = cap;
	s->ring = mem_realloc(s->ring, (size_t)cap * sizeof(*s->ring));
	free(s->slots);
	s->slots = mem_calloc(2 * (size_t)cap, sizeof(*s->slots));
}

void seen_init(struct seen *s, uint32_t max)
{
	assert(max && (max & (max - 1)) == 0);
	*s = (struct seen){ .max = max };
	make_room_for(s, max < CAP_MIN ? max : CAP_MIN);
}

void seen_release(struct seen *s)
{
	free(TAKE(s->ring));
	free(TAKE(s->slots));
}

static uint32_t home_of(const struct seen *s, const unsigned char *hash)
{
	uint32_t word;

	memcpy(&word, hash, sizeof(word));
	return word & (2 * s->cap - 1);
}

static uint32_t next_slot(const struct seen *s, uint32_t slot)
{
	return (slot + 1) & (2 * s->cap - 1);
}

/* The slot of the hash, or the free one where it belongs. */
static uint32_t find(const struct seen *s, const unsigned char *hash)
{
	uint32_t slot = home_of(s, hash);

	while (s->slots[slot] && memcmp(s->ring[s->slots[slot] - 1], hash, SEEN_HASH_LEN))
		slot = next_slot(s, slot);
	return slot;
}

/* Closes the gap, so that no search ends before what stood behind it. */
static void remove_slot(struct seen *s, uint32_t gap)
{
	uint32_t mask = 2 * s->cap - 1;

	for (uint32_t i = next_slot(s, gap); s->slots[i]; i = next_slot(s, i)) {
		uint32_t home = home_of(s, s->ring[s->slots[i] - 1]);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		s->slots[gap] = s->slots[i];
		gap = i;
	}
	s->slots[gap] = 0;
}

static void grow(struct seen *s)
{
	make_room_for(s, 2 * s->cap);
	for (uint32_t i = 0; i < s->n; i++)
		s->slots[find(s, s->ring[i])] = i + 1;
	s->at = s->n;
}

bool seen_add(struct seen *s, struct slice id)
{
	uint8_t hash[SHA256_LEN];

	crypto_sha256(id, hash);
	if (s->slots[find(s, hash)])
		return false;
	if (s->n == s->cap && s->cap < s->max)
		grow(s);
	if (s->n == s->cap)
		remove_slot(s, find(s, s->ring[s->at]));
	else
		s->n++;
	memcpy(s->ring[s->at], hash, SEEN_HASH_LEN);
	s->slots[find(s, hash)] = s->at + 1;
	s->at = (s->at + 1) & (s->cap - 1);
	return true;
}
