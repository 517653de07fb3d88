/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies on their way in. What was reserved goes back exactly once. */
#include "apid/intake.h"

void intake_init(struct intake *i, struct shares *shares, const struct netaddr *client,
		 struct buf *body)
{
	*i = (struct intake){ .shares = shares, .client = client, .body = body };
}

static size_t at_most(uint64_t n, size_t max)
{
	return n < max ? (size_t)n : max;
}

/* There is to be room for a body of so many bytes, and for some more if more is to come. */
static bool reserve(struct intake *i, size_t total)
{
	if (total <= INTAKE_FREE || total <= i->reserved)
		return true;
	total = at_most(total + INTAKE_STEP, total > i->expected ? i->body->max : i->expected);
	if (!shares_take(i->shares, i->client, total - i->reserved))
		return false;
	i->reserved = total;
	buf_reserve(i->body, total - i->body->len);
	return true;
}

bool intake_expect(struct intake *i, uint64_t announced)
{
	i->expected = at_most(announced ? announced : UINT64_MAX, i->body->max);
	if (announced <= INTAKE_FREE || shares_fit(i->shares, i->client, i->expected))
		return true;
	intake_refuse(i);
	return false;
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
	shares_give(i->shares, i->client, i->reserved);
	i->reserved = 0;
}
