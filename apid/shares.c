/* SPDX-License-Identifier: Apache-2.0 */
/* What each client holds. An entry goes with its last byte. */
#include "apid/shares.h"

#include "common/base/mem.h"

#include <assert.h>
#include <search.h>

enum { PARTS = 4 };

struct share {
	struct netaddr client;
	size_t used;
};

static int compare(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return netaddr_compare(&x->client, &y->client);
}

void shares_init(struct shares *s, size_t limit, size_t least)
{
	*s = (struct shares){ .all.limit = limit, .each = limit / PARTS };
	if (s->each < least)
		s->each = least;
}

void shares_release(struct shares *s)
{
	tdestroy(s->tree, free);
	s->tree = NULL;
}

static struct share *find(struct shares *s, const struct netaddr *client)
{
	struct share key = { 0 }, **found;

	client_addr_group(client, &key.client);
	found = tfind(&key, &s->tree, compare);
	return found ? *found : NULL;
}

static struct share *add(struct shares *s, const struct netaddr *client)
{
	struct share *e = mem_zalloc(sizeof(*e));

	client_addr_group(client, &e->client);
	if (!tsearch(e, &s->tree, compare))
		abort(); /* out of memory */
	return e;
}

bool shares_fit(struct shares *s, const struct netaddr *client, size_t n)
{
	const struct share *e = find(s, client);
	size_t used = e ? e->used : 0;

	return n <= budget_left(&s->all) &&
	       (client->n == 0 || (used <= s->each && n <= s->each - used));
}

bool shares_take(struct shares *s, const struct netaddr *client, size_t n)
{
	struct share *e;

	if (!shares_fit(s, client, n) || !budget_take(&s->all, n))
		return false;
	e = find(s, client);
	if (!e && n)
		e = add(s, client);
	if (e)
		e->used += n;
	return true;
}

void shares_give(struct shares *s, const struct netaddr *client, size_t n)
{
	struct share *e = find(s, client);

	if (n == 0)
		return;
	assert(e && e->used >= n);
	budget_give(&s->all, n);
	e->used -= n;
	if (e->used)
		return;
	tdelete(e, &s->tree, compare);
	free(e);
}
