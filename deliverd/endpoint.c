/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of endpoints. There are never more than jobs in memory, a few
 * hundred, and most calls go to few of them: a list is enough.
 */
#include "deliverd/endpoint.h"

#include "common/base/weburl.h"

#include <assert.h>

static char *origin_of(struct slice text)
{
	AUTO(buf_release) struct buf b = BUF_INIT(WEBURL_MAX);
	struct weburl u;

	if (weburl_parse(text, &u, NULL))
		return mem_strdup("");
	buf_addf(&b, "%s://%.*s:%u", u.https ? "https" : "http", SLICE_ARGS(u.host), u.port);
	for (size_t i = 0; i < b.len; i++)
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			b.p[i] = (char)(b.p[i] | 0x20);
	return buf_take(&b);
}

struct endpoint *endpoint_find(struct endpoints *all, struct slice url)
{
	AUTO(mem_freep) char *origin = origin_of(url);
	struct endpoint *e = all->head;

	while (e && !slice_eq(slice_str(e->origin), slice_str(origin)))
		e = e->next;
	if (e)
		return e;
	e = mem_zalloc(sizeof(*e));
	e->origin = TAKE(origin);
	e->tail = &e->head;
	e->next = all->head;
	all->head = e;
	return e;
}

void endpoint_wait(struct endpoint *e, struct webhook_job *j)
{
	j->next = NULL;
	*e->tail = j;
	e->tail = &j->next;
	e->waiting++;
}

struct webhook_job *endpoint_next(struct endpoint *e)
{
	struct webhook_job *j = e->head;

	if (!j)
		return NULL;
	e->head = j->next;
	if (!e->head)
		e->tail = &e->head;
	e->waiting--;
	return j;
}

struct endpoint *endpoint_ready(struct endpoints *all, size_t limit)
{
	struct endpoint *start = all->turn ? all->turn : all->head, *e = start;

	if (!start)
		return NULL;
	do {
		struct endpoint *after = e->next ? e->next : all->head;

		if (e->waiting && e->active < limit) {
			all->turn = after;
			return e;
		}
		e = after;
	} while (e != start);
	return NULL;
}

void endpoint_leave(struct endpoints *all, struct endpoint *e)
{
	struct endpoint **link = &all->head;

	if (e->active || e->waiting)
		return;
	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	if (all->turn == e)
		all->turn = e->next;
	free(e->origin);
	free(e);
}
