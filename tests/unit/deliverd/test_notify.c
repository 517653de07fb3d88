/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "deliverd/deliverd_metrics.h"
#include "deliverd/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void an_agent_is_named_once(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(7000);

	(void)state;
	notify_payload_add(&b, S("a@x.example"));
	notify_payload_add(&b, S("aa@x.example"));
	notify_payload_add(&b, S("a@x.example"));
	assert_string_equal(buf_cstr(&b), "a@x.example aa@x.example");
}

static void too_many_agents_become_a_star(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(7000);
	char name[64];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "agent%zu@x.example", i);
		notify_payload_add(&b, slice_str(name));
		assert_false(buf_failed(&b));
	}
	assert_string_equal(buf_cstr(&b), "*");
}

static void a_name_that_does_not_fit_the_form_becomes_a_star(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(7000);

	(void)state;
	notify_payload_add(&b, S("\"a b\"@x.example"));
	assert_string_equal(buf_cstr(&b), "*");
}

struct watch {
	struct loop *loop;
	struct loop_timer *timer;
	struct notify *notify;
};

static void stop_when_idle(void *arg)
{
	struct watch *w = arg;

	if (notify_idle(w->notify))
		loop_stop(w->loop);
	else
		loop_timer_start(w->timer, 1);
}

static void say_all(struct watch *w)
{
	loop_timer_start(w->timer, 0);
	loop_run(w->loop);
}

/* Nothing answers there, so each one that is said is one that failed. */
static int64_t said(void)
{
	return metric_value(&deliverd_metrics[DELIVERD_NOTIFIES_FAILED], 0);
}

static void the_first_is_said_at_once_and_the_others_together(void **state)
{
	static char nowhere[] = "postgresql://127.0.0.1:1/none";
	const struct settings settings = { .database_url = nowhere };
	const size_t width[LANE_COUNT] = { 1, 1, 1, 1, 1, 1 };
	struct watch w = { .loop = loop_new(width) };
	int64_t before = said(), start_ms;

	(void)state;
	w.timer = loop_timer_new(w.loop, stop_when_idle, &w);
	w.notify = notify_new(w.loop, &settings);
	start_ms = clock_mono_ms();
	notify_add(w.notify, S("a@x.example"));
	assert_int_equal(loop_tasks(w.loop), 1);
	notify_add(w.notify, S("b@x.example"));
	notify_add(w.notify, S("c@x.example"));
	say_all(&w);
	assert_true(clock_mono_ms() - start_ms > 40);
	assert_int_equal(said() - before, 2);
	notify_free(w.notify);
	loop_timer_free(w.timer);
	loop_free(w.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_is_named_once),
		cmocka_unit_test(too_many_agents_become_a_star),
		cmocka_unit_test(a_name_that_does_not_fit_the_form_becomes_a_star),
		cmocka_unit_test(the_first_is_said_at_once_and_the_others_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
