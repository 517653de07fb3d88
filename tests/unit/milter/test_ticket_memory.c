/* SPDX-License-Identifier: Apache-2.0 */
/* Once, whatever happens: many tickets, many threads, a clock that moves. */
#include "milter/ticket_memory.h"

#include "tests/unit/test.h"

#include <pthread.h>
#include <stdatomic.h>

enum { START = 1768473000, NOW = START + 100, LIFETIME = 60 };

/* MACs look random: the table takes them for their own hash. */
static struct ticket numbered(uint64_t n, int64_t issued_s)
{
	struct ticket t = { .issued_s = issued_s, .expires_s = issued_s + LIFETIME };
	uint64_t mixed = n * 0x9e3779b97f4a7c15U;

	memcpy(t.mac, &mixed, sizeof(mixed));
	memcpy(t.mac + 8, &n, sizeof(n));
	return t;
}

static void used(struct ticket_memory *m, uint64_t n, int64_t issued_s, int64_t now_s,
		 const char *want)
{
	struct ticket t = numbered(n, issued_s);

	assert_slice_row(slice_str(ticket_memory_use(m, &t, now_s)), slice_str(want), n);
}

static void a_ticket_is_good_once(void **state)
{
	struct ticket_memory *m = ticket_memory_new(START, TICKET_MEMORY_MAX);

	(void)state;
	for (uint64_t n = 0; n < 20000; n++)
		used(m, n, NOW, NOW + (int64_t)n / 1000, NULL);
	for (uint64_t n = 0; n < 20000; n++)
		used(m, n, NOW, NOW + LIFETIME - 1, "used");
	used(m, 20000, NOW, NOW, NULL);
	ticket_memory_free(m);
}

/* All of them begin their search at the same place, the last one. */
static void tickets_that_want_one_place_are_told_apart(void **state)
{
	struct ticket_memory *m = ticket_memory_new(START, TICKET_MEMORY_MAX);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint8_t i = 0; i < 200; i++) {
			struct ticket t = numbered(0, NOW);

			memset(t.mac, 0xff, 16);
			t.mac[31] = i;
			assert_row(i, (ticket_memory_use(m, &t, NOW) == NULL) == (round == 0));
		}
	}
	ticket_memory_free(m);
}

static void what_was_issued_before_the_start_is_not_known(void **state)
{
	struct ticket_memory *m = ticket_memory_new(START, TICKET_MEMORY_MAX);

	(void)state;
	used(m, 1, START - 1, START, "before_start");
	used(m, 1, START, START, "before_start");
	used(m, 1, START + TICKET_CLOCK_S, START + 1, "before_start");
	used(m, 1, START + TICKET_CLOCK_S + 1, START + 2, NULL);
	ticket_memory_free(m);
}

static void a_full_memory_takes_more_when_tickets_have_ended(void **state)
{
	struct ticket_memory *m = ticket_memory_new(START, 3000);

	(void)state;
	for (uint64_t n = 0; n < 3000; n++)
		used(m, n, n < 2990 ? NOW + 30 : NOW, NOW + 30, NULL);
	for (uint64_t n = 0; n < 3000; n++)
		used(m, n, n < 2990 ? NOW + 30 : NOW, NOW + 30, "used");
	used(m, 3000, NOW + 30, NOW + 30, "memory_full");
	used(m, 3000, NOW + 30, NOW + LIFETIME - 1, "memory_full");
	/* ten have ended; one more is too many until the next ends */
	for (uint64_t n = 3000; n < 3010; n++)
		used(m, n, NOW + 31, NOW + LIFETIME, NULL);
	used(m, 3010, NOW + 31, NOW + LIFETIME, "memory_full");
	for (uint64_t n = 0; n < 2990; n++)
		used(m, n, NOW + 30, NOW + LIFETIME, "used");
	used(m, 3010, NOW + 31, NOW + 30 + LIFETIME, NULL);
	ticket_memory_free(m);
}

static void a_clock_that_is_set_back_revives_nothing(void **state)
{
	struct ticket_memory *m = ticket_memory_new(START, 1);

	(void)state;
	used(m, 1, NOW, NOW, NULL);
	used(m, 2, NOW + LIFETIME, NOW + LIFETIME, NULL); /* the first one is forgotten */
	used(m, 1, NOW, NOW + 1, "clock_set_back");
	used(m, 3, NOW + 1, NOW + LIFETIME, "memory_full");
	used(m, 3, NOW - 1, NOW, "clock_set_back");
	ticket_memory_free(m);
}

struct race {
	struct ticket_memory *m;
	atomic_int first;
};

enum { THREADS = 8, TICKETS = 4000 };

static void *use_all(void *arg)
{
	struct race *r = arg;

	for (uint64_t n = 0; n < TICKETS; n++) {
		struct ticket t = numbered(n, NOW);

		if (!ticket_memory_use(r->m, &t, NOW))
			atomic_fetch_add(&r->first, 1);
	}
	return NULL;
}

static void of_many_threads_one_is_first(void **state)
{
	struct race r = { .m = ticket_memory_new(START, TICKET_MEMORY_MAX) };
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_all, &r), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&r.first), TICKETS);
	ticket_memory_free(r.m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_good_once),
		cmocka_unit_test(tickets_that_want_one_place_are_told_apart),
		cmocka_unit_test(what_was_issued_before_the_start_is_not_known),
		cmocka_unit_test(a_full_memory_takes_more_when_tickets_have_ended),
		cmocka_unit_test(a_clock_that_is_set_back_revives_nothing),
		cmocka_unit_test(of_many_threads_one_is_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
