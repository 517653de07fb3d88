/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for mail: that nobody sleeps through it, and that nobody waits for ever. */
#include "apid/conns.h"
#include "apid/waits.h"
#include "apid/workers.h"
#include "tests/unit/test.h"

#define A S("Bot@agents.example")
#define A_FOLDED S("bot@agents.example")
#define B S("b@agents.example")

struct one {
	struct wait wait;
	int calls;
	enum waits_why why;
};

struct world {
	struct settings settings;
	struct app app;
	struct waits *waits;
	struct conn conn;
};

static void went_on(struct wait *w, enum waits_why why)
{
	struct one *o = w->arg;

	o->calls++;
	o->why = why;
}

static struct one one_until(int64_t until_ms)
{
	return (struct one){ .wait = { .go_on = went_on, .until_ms = until_ms } };
}

static char nowhere[] = "postgresql://127.0.0.1:1/none";

static void begin(struct world *w, int64_t most, int64_t per_agent)
{
	*w = (struct world){ .settings = { .wait_max = most,
					   .wait_per_user = 2,
					   .wait_per_agent = per_agent,
					   .http_workers = 1,
					   .http_queue = 10,
					   .database_url = nowhere } };
	w->app.settings = &w->settings;
	w->app.workers = workers_new(&w->settings);
	w->waits = waits_new(&w->app);
}

static void end(struct world *w)
{
	waits_stop(w->waits);
	workers_free(w->app.workers);
	waits_free(w->waits);
}

static bool enter(struct world *w, struct one *o, struct slice email, struct slice address)
{
	o->wait.arg = o;
	const struct store_agent agent = { .email = email, .address = address };

	/* Each agent here is a user's of that name. */
	return waits_enter(w->waits, &o->wait, address, &agent);
}

static enum waits_parked park(struct world *w, struct one *o)
{
	return waits_park(&o->wait, &w->conn);
}

static void mail_wakes_those_of_its_agent_once(void **state)
{
	struct one a[] = { one_until(INT64_MAX), one_until(INT64_MAX) }, b = one_until(INT64_MAX);
	struct world w;

	(void)state;
	begin(&w, 3, 3);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		assert_true(enter(&w, &a[i], A, A_FOLDED));
		assert_int_equal(park(&w, &a[i]), WAITS_PARKED);
	}
	assert_true(enter(&w, &b, B, B));
	assert_int_equal(park(&w, &b), WAITS_PARKED);
	waits_wake(w.waits, S("other@agents.example BOT@Agents.example no-address"));
	waits_wake(w.waits, A);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		assert_true(a[i].calls == 1 && a[i].why == WAITS_MAIL);
		waits_leave(&a[i].wait);
	}
	assert_int_equal(b.calls, 0);
	waits_wake(w.waits, S("*"));
	assert_true(b.calls == 1 && b.why == WAITS_MAIL);
	waits_leave(&b.wait);
	end(&w);
}

/* From the moment it enters, before it looks for the first time. */
static void mail_that_comes_while_it_looks_makes_it_look_again(void **state)
{
	struct one a = one_until(INT64_MAX);
	struct world w;

	(void)state;
	begin(&w, 1, 1);
	assert_true(enter(&w, &a, A, A_FOLDED));
	waits_wake(w.waits, A);
	waits_wake(w.waits, A);
	assert_int_equal(park(&w, &a), WAITS_AGAIN);
	assert_int_equal(park(&w, &a), WAITS_PARKED);
	waits_wake(w.waits, A);
	assert_int_equal(a.calls, 1);
	waits_leave(&a.wait);
	end(&w);
}

static void a_user_whose_keys_change_is_looked_at_again(void **state)
{
	struct one a = one_until(INT64_MAX), b = one_until(INT64_MAX);
	struct world w;

	(void)state;
	begin(&w, 2, 2);
	assert_true(enter(&w, &a, A, A_FOLDED) && enter(&w, &b, B, B));
	assert_int_equal(park(&w, &a), WAITS_PARKED);
	assert_int_equal(park(&w, &b), WAITS_PARKED);
	waits_suspect(w.waits, A_FOLDED);
	assert_true(a.calls == 1 && b.calls == 0);
	waits_suspect(w.waits, S("*"));
	assert_int_equal(b.calls, 1);
	assert_int_equal(park(&w, &a), WAITS_AGAIN);
	waits_leave(&a.wait);
	waits_leave(&b.wait);
	end(&w);
}

static void time_and_the_end_of_a_client_are_noticed(void **state)
{
	struct one late = one_until(10000), later = one_until(20000);
	struct world w;

	(void)state;
	begin(&w, 2, 2);
	assert_true(enter(&w, &late, A, A_FOLDED) && enter(&w, &later, A, A_FOLDED));
	assert_int_equal(park(&w, &late), WAITS_PARKED);
	assert_int_equal(park(&w, &later), WAITS_PARKED);
	waits_tick(w.waits, 9000);
	assert_int_equal(late.calls, 0);
	waits_tick(w.waits, 9900);
	assert_true(late.calls == 1 && late.why == WAITS_TIME && later.calls == 0);
	waits_leave(&late.wait);
	w.conn.ended_ms = 1;
	waits_tick(w.waits, 9900);
	assert_true(later.calls == 1 && later.why == WAITS_END);
	waits_leave(&later.wait);
	end(&w);
}

static void places_are_bounded_and_come_back(void **state)
{
	struct one a[2], b[2], more = one_until(INT64_MAX);
	struct world w;

	(void)state;
	begin(&w, 3, 2);
	for (size_t i = 0; i < 2; i++) {
		a[i] = one_until(INT64_MAX);
		b[i] = one_until(INT64_MAX);
		assert_true(enter(&w, &a[i], A, A_FOLDED));
	}
	assert_false(enter(&w, &more, A, A_FOLDED));
	waits_leave(&more.wait); /* which took none */
	assert_false(
		waits_enter(w.waits, &more.wait, A_FOLDED, &(struct store_agent){ .address = B }));
	assert_true(enter(&w, &b[0], B, B));
	assert_false(enter(&w, &b[1], B, B));
	waits_leave(&a[0].wait);
	waits_leave(&a[0].wait);
	assert_true(enter(&w, &b[1], B, B));
	assert_false(enter(&w, &more, A, A_FOLDED));
	waits_leave(&a[1].wait);
	waits_leave(&b[0].wait);
	waits_leave(&b[1].wait);
	end(&w);
}

static void nobody_waits_after_a_stop(void **state)
{
	struct one parked = one_until(INT64_MAX), running = one_until(INT64_MAX);
	struct world w;

	(void)state;
	begin(&w, 2, 2);
	assert_true(enter(&w, &parked, A, A_FOLDED) && enter(&w, &running, A, A_FOLDED));
	assert_int_equal(park(&w, &parked), WAITS_PARKED);
	waits_stop(w.waits);
	assert_true(parked.calls == 1 && parked.why == WAITS_END);
	assert_int_equal(park(&w, &running), WAITS_OVER);
	waits_leave(&parked.wait);
	waits_leave(&running.wait);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_wakes_those_of_its_agent_once),
		cmocka_unit_test(mail_that_comes_while_it_looks_makes_it_look_again),
		cmocka_unit_test(a_user_whose_keys_change_is_looked_at_again),
		cmocka_unit_test(time_and_the_end_of_a_client_are_noticed),
		cmocka_unit_test(places_are_bounded_and_come_back),
		cmocka_unit_test(nobody_waits_after_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
