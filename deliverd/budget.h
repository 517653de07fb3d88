/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte budget: how much mail may be in memory at once, over all
 * connections and webhook calls. Used on the loop's thread only.
 */
#ifndef E2A_DELIVERD_BUDGET_H
#define E2A_DELIVERD_BUDGET_H

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
