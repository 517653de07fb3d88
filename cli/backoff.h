/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before trying again: a second at first, twice as long each time, half a
 * minute at most; a random half of it is left out, so that many clients do not come at once.
 */
#ifndef E2A_CLI_BACKOFF_H
#define E2A_CLI_BACKOFF_H

#include <stdint.h>

enum {
	BACKOFF_MIN_MS = 1000,
	BACKOFF_MAX_MS = 30 * 1000,
	BACKOFF_TOLD_MAX_MS = 10 * 60 * 1000 /* that a server may ask for */
};

struct backoff {
	unsigned tries;
};

/* The next wait; `told_ms` is what the server asked for, 0 when it did not: never less than that.
 */
int64_t backoff_next(struct backoff *b, int64_t told_ms);
/* It worked: the next wait is short again. */
void backoff_reset(struct backoff *b);

#endif
