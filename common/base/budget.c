/* SPDX-License-Identifier: Apache-2.0 */
/* The byte budget. What was taken must be given back exactly once. */
#include "common/base/budget.h"

#include <assert.h>

bool budget_take(struct budget *b, size_t n)
{
	if (n > budget_left(b))
		return false;
	b->used += n;
	return true;
}

void budget_give(struct budget *b, size_t n)
{
	assert(n <= b->used);
	b->used -= n;
}

size_t budget_left(const struct budget *b)
{
	return b->limit - b->used;
}
