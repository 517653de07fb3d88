/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which messages were told already: 128 bits of a hash of each id, in the order in which they
 * came. Beyond `max` the oldest are forgotten, one for each new one. It takes 24 bytes an id
 * and grows with what it holds.
 */
#ifndef E2A_CLI_SEEN_H
#define E2A_CLI_SEEN_H

#include "common/base/slice.h"

enum { SEEN_MAX = 1024 * 1024, SEEN_HASH_LEN = 16 };

struct seen {
	unsigned char (*ring)[SEEN_HASH_LEN]; /* room for `cap`, the next one goes to `at` */
	uint32_t *slots;                      /* 2 * cap: place in the ring + 1, or 0 */
	uint32_t cap, n, at, max;
};

/* `max` is a power of two. */
void seen_init(struct seen *s, uint32_t max);
void seen_release(struct seen *s);
/* False when it was there. */
bool seen_add(struct seen *s, struct slice id);

#endif
