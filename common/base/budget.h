/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte budget: how much of something may be in memory at once, over all
 * connections. Of one thread.
 */
#ifndef E2A_BASE_BUDGET_H
#define E2A_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

struct budget {
	size_t limit, used;
};

/* Takes n bytes, or nothing and false when they are not there. */
bool budget_take(struct budget *b, size_t n);
void budget_give(struct budget *b, size_t n);
size_t budget_left(const struct budget *b);

#endif
