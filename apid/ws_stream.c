/* SPDX-License-Identifier: Apache-2.0 */
/* The cursor of a WebSocket. It knows no sockets and no SQL. */
#include "apid/ws_stream.h"

void ws_stream_init(struct ws_stream *s, int64_t live_us, bool only_new)
{
	*s = (struct ws_stream){ .live = only_new, .live_us = live_us };
}

void ws_stream_release(struct ws_stream *s)
{
	free(TAKE(s->told));
}

static bool before(const struct ws_told *a, const struct ws_told *b)
{
	return a->created_us < b->created_us ||
	       (a->created_us == b->created_us && strcmp(a->id, b->id) < 0);
}

/* Where a live read begins: everything up to here is settled. */
static struct ws_told horizon(const struct ws_stream *s)
{
	struct ws_told t = { 0 };

	t.created_us = s->last.created_us > s->live_us ? s->last.created_us : s->live_us;
	t.created_us -= WS_STREAM_OVERLAP_US;
	return before(&t, &s->floor) ? s->floor : t;
}

void ws_stream_next(const struct ws_stream *s, struct arena *a, struct store_message_stream *ret)
{
	struct ws_told from = s->live ? horizon(s) : s->last;
	struct slice *except = arena_calloc(a, s->told_n, sizeof(*except));
	size_t n = 0;

	for (size_t i = 0; i < s->told_n; i++)
		if (before(&from, &s->told[i]))
			except[n++] = slice_str(arena_strdup(a, s->told[i].id));
	ret->backlog = !s->live;
	ret->live_us = s->live_us;
	ret->after.created_us = from.created_us;
	ret->after.id = slice_str(arena_strdup(a, from.id));
	ret->except = except;
	ret->except_n = n;
}

/* Forgets what no live read will come across again. */
static void prune(struct ws_stream *s)
{
	struct ws_told from = horizon(s);
	size_t n = 0;

	for (size_t i = 0; i < s->told_n; i++)
		if (before(&from, &s->told[i]))
			s->told[n++] = s->told[i];
	s->told_n = n;
}

/* Gives up the older half; what was told is then behind the floor and not read again. */
static void shorten(struct ws_stream *s)
{
	size_t half = s->told_n / 2;

	for (size_t i = 0; i < half; i++)
		if (before(&s->floor, &s->told[i]))
			s->floor = s->told[i];
	memmove(s->told, s->told + half, (s->told_n - half) * sizeof(*s->told));
	s->told_n -= half;
}

static void make_room(struct ws_stream *s)
{
	if (s->told_n < s->told_cap)
		return;
	prune(s);
	if (s->told_n > WS_STREAM_TOLD_MAX / 2)
		shorten(s);
	if (s->told_n * 2 <= s->told_cap && s->told_cap)
		return;
	s->told_cap = s->told_cap ? s->told_cap * 2 : 8;
	s->told = mem_realloc(s->told, s->told_cap * sizeof(*s->told));
}

static struct ws_told told_of(int64_t created_us, struct slice id)
{
	struct ws_told t = { .created_us = created_us };

	memcpy(t.id, id.p, id.n < ID_MAX ? id.n : ID_MAX - 1);
	return t;
}

bool ws_stream_knows(const struct ws_stream *s, int64_t created_us, struct slice id)
{
	struct ws_told t = told_of(created_us, id), from = horizon(s);

	if (s->live && !before(&from, &t))
		return true;
	for (size_t i = s->told_n; i > 0; i--)
		if (s->told[i - 1].created_us == created_us && !strcmp(s->told[i - 1].id, t.id))
			return true;
	return false;
}

void ws_stream_tell(struct ws_stream *s, int64_t created_us, struct slice id)
{
	struct ws_told t = told_of(created_us, id);

	if (before(&s->last, &t))
		s->last = t;
	make_room(s);
	s->told[s->told_n++] = t;
}

bool ws_stream_exhausted(struct ws_stream *s)
{
	bool was_live = s->live;

	s->live = true;
	return !was_live;
}
