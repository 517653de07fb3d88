/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies on their way in. What was reserved goes back exactly once. */
#include "apid/intake.h"

enum { STEP = 1024 * 1024 }; /* bytes that a body of unknown length reserves at once */

void intake_init(struct intake *i, struct budget *budget, struct buf *body)
{
	*i = (struct intake){ .budget = budget, .body = body };
}

static size_t at_most(uint64_t n, size_t max)
{
	return n < max ? (size_t)n : max;
}

/* There is to be room for a body of so many bytes. */
static bool reserve(struct intake *i, size_t total)
{
	if (total <= INTAKE_FREE || total <= i->reserved)
		return true;
	if (!budget_take(i->budget, total - i->reserved))
		return false;
	i->reserved = total;
	return true;
}

bool intake_expect(struct intake *i, uint64_t announced)
{
	size_t total = at_most(announced, i->body->max);

	if (!reserve(i, total)) {
		intake_refuse(i);
		return false;
	}
	if (total > INTAKE_FREE)
		buf_reserve(i->body, total);
	return true;
}

/* Somebody else can use the memory meanwhile. */
void intake_refuse(struct intake *i)
{
	i->refused = true;
	buf_release(i->body);
	intake_release(i);
}

static size_t worth_reading(const struct intake *i)
{
	return INTAKE_DISCARD_MAX + (i->refused ? i->body->max : 0);
}

bool intake_take(struct intake *i, struct slice data)
{
	size_t total = at_most(i->body->len + data.n, i->body->max);

	if (total > i->reserved && total > INTAKE_FREE)
		total = at_most(total + STEP, i->body->max);
	if (!i->refused && !reserve(i, total))
		intake_refuse(i);
	if (!i->refused)
		buf_add_slice(i->body, data);
	if (i->refused || buf_failed(i->body))
		i->dropped += data.n;
	return i->dropped <= worth_reading(i);
}

void intake_release(struct intake *i)
{
	budget_give(i->budget, i->reserved);
	i->reserved = 0;
}
