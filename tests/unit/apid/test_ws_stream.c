/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursor of a WebSocket against a table of messages that become visible
 * one after another, not always in order: each is told once, none is missed.
 */
#include "apid/ws_stream.h"
#include "tests/unit/test.h"

#define SECOND 1000000LL
#define LIVE (1000 * SECOND)

enum { PAGE = 3, BIG_PAGE = 100, MESSAGES_MAX = 5000 };

struct table {
	struct ws_told v[MESSAGES_MAX]; /* visible ones */
	size_t n;
	size_t told[MESSAGES_MAX]; /* how often, by number in the id */
	size_t serial;
	size_t page; /* 0: PAGE */
};

static void publish(struct table *t, int64_t created_us)
{
	struct ws_told *m = &t->v[t->n++];

	m->created_us = created_us;
	snprintf(m->id, sizeof(m->id), "msg_%08zu", t->serial++);
}

static bool behind(const struct ws_told *m, const struct store_message_stream *q)
{
	if (m->created_us != q->after.created_us)
		return m->created_us > q->after.created_us;
	return strcmp(m->id, q->after.id.p) > 0;
}

static bool asked_for(const struct ws_told *m, const struct store_message_stream *q)
{
	if (!behind(m, q) || (q->backlog && m->created_us >= q->live_us))
		return false;
	for (size_t i = 0; i < q->except_n; i++)
		if (slice_eq(slice_str(m->id), q->except[i]))
			return false;
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct ws_told *x = a, *y = b;

	if (x->created_us != y->created_us)
		return x->created_us < y->created_us ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* What the statement does: the first page in order. */
static size_t read_page(struct table *t, struct ws_stream *s)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_message_stream q = { 0 };
	size_t n = 0;

	ws_stream_next(s, &a, &q);
	qsort(t->v, t->n, sizeof(t->v[0]), by_key);
	for (size_t i = 0; i < t->n && n < t->page; i++) {
		uint64_t number;

		if (!asked_for(&t->v[i], &q))
			continue;
		assert_int_equal(slice_to_u64(slice_str(t->v[i].id + 4), MESSAGES_MAX, &number),
				 OK);
		t->told[number]++;
		ws_stream_tell(s, t->v[i].created_us, slice_str(t->v[i].id));
		n++;
	}
	return n;
}

/* Until there is nothing more. */
static void read_on(struct table *t, struct ws_stream *s)
{
	size_t n;

	t->page = t->page ? t->page : PAGE;
	do {
		n = read_page(t, s);
	} while (n == t->page || ws_stream_exhausted(s));
}

static void assert_each_told_once(const struct table *t)
{
	for (size_t i = 0; i < t->serial; i++)
		assert_row(i, t->told[i] == 1);
}

static void the_backlog_is_told_in_pages_then_what_is_new(void **state)
{
	AUTO(mem_freep) struct table *t = mem_zalloc(sizeof(*t));
	AUTO(ws_stream_release) struct ws_stream s;

	(void)state;
	ws_stream_init(&s, LIVE, false);
	for (int i = 0; i < 10; i++)
		publish(t, LIVE - (i + 1) * 7 * SECOND);
	read_on(t, &s);
	assert_true(s.live);
	assert_each_told_once(t);
	publish(t, LIVE + SECOND);
	read_on(t, &s);
	assert_each_told_once(t);
}

static void who_wants_only_what_is_new_is_told_no_backlog(void **state)
{
	AUTO(mem_freep) struct table *t = mem_zalloc(sizeof(*t));
	AUTO(ws_stream_release) struct ws_stream s;

	(void)state;
	ws_stream_init(&s, LIVE, true);
	for (int i = 1; i <= 10; i++)
		publish(t, LIVE - WS_STREAM_OVERLAP_US - i * SECOND);
	read_on(t, &s);
	assert_int_equal(s.told_n, 0);
	publish(t, LIVE - SECOND); /* late */
	publish(t, LIVE + SECOND);
	read_on(t, &s);
	assert_int_equal(s.told_n, 2);
}

static void messages_of_one_moment_are_told_apart_by_id(void **state)
{
	AUTO(mem_freep) struct table *t = mem_zalloc(sizeof(*t));
	AUTO(ws_stream_release) struct ws_stream s;

	(void)state;
	ws_stream_init(&s, LIVE, false);
	for (int i = 0; i < 8; i++)
		publish(t, LIVE - SECOND);
	for (int i = 0; i < 8; i++)
		publish(t, LIVE + SECOND);
	read_on(t, &s);
	assert_each_told_once(t);
}

static void what_becomes_visible_late_is_not_missed(void **state)
{
	AUTO(mem_freep) struct table *t = mem_zalloc(sizeof(*t));
	AUTO(ws_stream_release) struct ws_stream s;

	(void)state;
	ws_stream_init(&s, LIVE, false);
	publish(t, LIVE - 2 * SECOND);
	read_on(t, &s);
	publish(t, LIVE - 5 * SECOND); /* from before, in the stretch */
	publish(t, LIVE + 20 * SECOND);
	read_on(t, &s);
	publish(t, LIVE + 3 * SECOND);
	read_on(t, &s);
	publish(t, LIVE - 9 * SECOND);
	read_on(t, &s);
	assert_each_told_once(t);
}

static void a_burst_beyond_memory_repeats_nothing(void **state)
{
	AUTO(mem_freep) struct table *t = mem_zalloc(sizeof(*t));
	AUTO(ws_stream_release) struct ws_stream s;

	(void)state;
	ws_stream_init(&s, LIVE, false);
	t->page = BIG_PAGE;
	for (int i = 0; i < 3 * WS_STREAM_TOLD_MAX; i++) {
		publish(t, LIVE + i);
		if (i % 50 == 0)
			read_on(t, &s);
	}
	read_on(t, &s);
	assert_each_told_once(t);
	assert_true(s.told_n <= WS_STREAM_TOLD_MAX);
}

static void a_quiet_stream_forgets(void **state)
{
	AUTO(mem_freep) struct table *t = mem_zalloc(sizeof(*t));
	AUTO(ws_stream_release) struct ws_stream s;

	(void)state;
	ws_stream_init(&s, LIVE, false);
	for (int i = 0; i < 1000; i++) {
		publish(t, LIVE + i * 20 * SECOND);
		read_on(t, &s);
	}
	assert_each_told_once(t);
	assert_true(s.told_cap <= 16);
}

static bool knows(const struct ws_stream *s, int64_t created_us, const char *id)
{
	return ws_stream_knows(s, created_us, slice_str(id));
}

static void it_knows_what_needs_no_other_look(void **state)
{
	AUTO(ws_stream_release) struct ws_stream s;

	(void)state;
	ws_stream_init(&s, LIVE, false);
	assert_false(knows(&s, LIVE - 60 * SECOND, "msg_0")); /* the backlog is not read yet */
	ws_stream_tell(&s, LIVE - 60 * SECOND, S("msg_0"));
	ws_stream_exhausted(&s);
	ws_stream_tell(&s, LIVE + SECOND, S("msg_5"));
	assert_true(knows(&s, LIVE - 60 * SECOND, "msg_0"));
	assert_true(knows(&s, LIVE - 60 * SECOND, "msg_1")); /* no read would find it */
	assert_true(knows(&s, LIVE + SECOND, "msg_5"));
	assert_false(knows(&s, LIVE + SECOND, "msg_4"));
	assert_false(knows(&s, LIVE + SECOND + 1, "msg_5"));
	assert_false(knows(&s, LIVE - 20 * SECOND, "msg_2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_backlog_is_told_in_pages_then_what_is_new),
		cmocka_unit_test(who_wants_only_what_is_new_is_told_no_backlog),
		cmocka_unit_test(messages_of_one_moment_are_told_apart_by_id),
		cmocka_unit_test(what_becomes_visible_late_is_not_missed),
		cmocka_unit_test(a_burst_beyond_memory_repeats_nothing),
		cmocka_unit_test(a_quiet_stream_forgets),
		cmocka_unit_test(it_knows_what_needs_no_other_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
