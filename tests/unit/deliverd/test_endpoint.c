/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"
#include "deliverd/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { JOBS_MAX = 4000, NOW = 1000000, SLOW = NOW + 1000 };

/* Jobs of a test; what ends is not used again. */
static struct webhook_job jobs[JOBS_MAX];
static char texts[JOBS_MAX][64];
static size_t jobs_n;

static const struct endpoint_caps roomy = { 100, 100, 100, 10, 1000, 5 };

static struct endpoints *set_up(struct endpoint_caps caps)
{
	memset(jobs, 0, sizeof(jobs));
	jobs_n = 0;
	return endpoints_new(&caps);
}

/* The message id grows with each call. */
static struct webhook_job *job(const char *user, const char *agent, const char *url)
{
	struct webhook_job *j = &jobs[jobs_n];

	assert_true(jobs_n < JOBS_MAX);
	snprintf(texts[jobs_n], sizeof(texts[0]), "msg_%05zu", jobs_n);
	j->message_id = slice_str(texts[jobs_n++]);
	j->row.user_id = slice_str(user);
	j->agent_email = slice_str(agent);
	j->url = url;
	return j;
}

static bool add(struct endpoints *all, const char *user, const char *agent, const char *url)
{
	return endpoints_add(all, job(user, agent, url), NOW);
}

static const char *start(struct endpoints *all, struct webhook_job **ret)
{
	*ret = endpoints_start(all, NOW);
	return *ret ? (*ret)->agent_email.p : "nobody";
}

/* Whoever is started, in order, "a b b"; they stay under way. */
static const char *start_all(struct endpoints *all, int64_t now_ms)
{
	static char said[4096];
	struct webhook_job *j;
	size_t n = 0;

	said[0] = 0;
	while ((j = endpoints_start(all, now_ms)))
		n += (size_t)snprintf(said + n, sizeof(said) - n, "%s%s", n ? " " : "",
				      j->agent_email.p);
	return said;
}

static size_t blocked(const struct endpoints *all)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice *v;
	size_t n;

	endpoints_blocked(all, &a, &v, &n);
	return n;
}

static size_t sorted_out(struct endpoints *all)
{
	size_t n = 0;

	while (endpoints_sorted_out(all))
		n++;
	return n;
}

static void end_all(struct endpoints *all, enum call_end how)
{
	for (size_t i = 0; i < jobs_n; i++)
		if (jobs[i].started_ms && jobs[i].endpoint)
			endpoints_end(all, &jobs[i], how);
}

static void tear_down(struct endpoints *all)
{
	endpoints_clear(all);
	sorted_out(all);
	end_all(all, CALL_DELIVERED);
	endpoints_free(all);
}

static void jobs_leave_their_line_by_message_id(void **state)
{
	struct endpoints *all = set_up(roomy);
	struct webhook_job *one = job("u", "a", "https://a/"), *two = job("u", "a", "https://a/");
	struct webhook_job *three = job("u", "a", "https://a/");

	(void)state;
	assert_true(endpoints_add(all, two, NOW));
	assert_true(endpoints_add(all, three, NOW));
	assert_true(endpoints_add(all, one, NOW));
	assert_int_equal(endpoints_waiting(all), 3);
	assert_ptr_equal(endpoints_start(all, NOW), one);
	assert_ptr_equal(endpoints_start(all, NOW), two);
	assert_ptr_equal(endpoints_start(all, NOW), three);
	assert_null(endpoints_start(all, NOW));
	assert_int_equal(endpoints_active(all), 3);
	tear_down(all);
}

static void users_take_turns_and_then_their_endpoints(void **state)
{
	struct endpoints *all = set_up(roomy);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		add(all, "u", "a", "https://a/");
		add(all, "u", "b", "https://b/");
		add(all, "u", "c", "https://c/");
		add(all, "v", "d", "https://d/");
	}
	assert_string_equal(start_all(all, NOW), "a d b d c a b c");
	tear_down(all);
}

static void each_cap_holds(void **state)
{
	static const struct {
		struct endpoint_caps caps;
		size_t all, a, b, c; /* calls; u's are a and b, those to one host a and c */
	} rows[] = {
		{ { 5, 100, 100, 10, 100, 5 }, 5, 1, 1, 3 },
		{ { 100, 4, 100, 10, 100, 5 }, 8, 2, 2, 4 },
		{ { 100, 100, 3, 10, 100, 5 }, 6, 1, 3, 2 },
		{ { 100, 100, 100, 2, 100, 5 }, 6, 2, 2, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoints *all = set_up(rows[i].caps);
		size_t calls[3] = { 0 };
		struct webhook_job *j;

		for (size_t k = 0; k < 8; k++) {
			add(all, "u", "a", "https://one/a");
			add(all, "u", "b", "https://two/b");
			add(all, "v", "c", "https://ONE:443/c");
		}
		for (size_t k = 0; k < 3; k++) /* all of each cap is for those that are quick */
			j = endpoints_start(all, NOW), endpoints_end(all, j, CALL_DELIVERED);
		while ((j = endpoints_start(all, NOW)))
			calls[j->agent_email.p[0] - 'a']++;
		assert_int_equal(endpoints_active(all), rows[i].all);
		assert_int_equal(calls[0], rows[i].a);
		assert_int_equal(calls[1], rows[i].b);
		assert_int_equal(calls[2], rows[i].c);
		tear_down(all);
	}
}

static void who_waits_for_a_full_host_goes_on_when_a_call_ends(void **state)
{
	struct endpoints *all = set_up((struct endpoint_caps){ 100, 100, 2, 10, 100, 5 });
	struct webhook_job *first, *j;

	(void)state;
	add(all, "u", "a", "https://one/");
	add(all, "u", "b", "https://one/");
	add(all, "u", "c", "https://one/");
	add(all, "v", "d", "https://one/");
	assert_string_equal(start(all, &first), "a");
	assert_string_equal(start(all, &j), "d");
	assert_string_equal(start(all, &j), "nobody");
	endpoints_end(all, first, CALL_FAILED);
	assert_string_equal(start(all, &j), "b");
	assert_string_equal(start(all, &first), "nobody");
	endpoints_end(all, j, CALL_FAILED);
	assert_string_equal(start(all, &j), "c");
	tear_down(all);
}

/* Its place at the host is not lost when it turns out to be slow. */
static void who_must_not_go_on_at_a_host_lets_the_next_one_go(void **state)
{
	struct endpoints *all = set_up((struct endpoint_caps){ 100, 100, 2, 10, 1000, 5 });

	(void)state;
	for (size_t i = 0; i < 3; i++)
		add(all, "u", "a", "https://one/a");
	assert_string_equal(start_all(all, NOW), "a");
	endpoints_end(all, &jobs[0], CALL_DELIVERED);
	assert_string_equal(start_all(all, NOW), "a a");
	add(all, "u", "a", "https://one/a");
	add(all, "v", "b", "https://one/b");
	assert_string_equal(start_all(all, NOW), "");
	endpoints_end(all, &jobs[1], CALL_DELIVERED);
	assert_string_equal(start_all(all, SLOW), "b");
	assert_int_equal(sorted_out(all), 1);
	tear_down(all);
}

static void one_that_is_new_has_one_call_when_half_of_a_cap_is_used(void **state)
{
	struct endpoints *all = set_up((struct endpoint_caps){ 8, 100, 100, 10, 100, 5 });
	struct webhook_job *first, *j;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		add(all, "u", "a", "https://a/");
	assert_string_equal(start_all(all, NOW), "a a a a");
	add(all, "u", "b", "https://b/");
	add(all, "u", "b", "https://b/");
	assert_string_equal(start(all, &first), "b");
	assert_string_equal(start(all, &j), "nobody");
	endpoints_end(all, first, CALL_DELIVERED);
	assert_string_equal(start(all, &first), "b");
	endpoints_end(all, &jobs[0], CALL_DELIVERED);
	assert_string_equal(start_all(all, NOW), "a a");
	tear_down(all);
}

static void one_that_hangs_leaves_half_of_each_cap_to_others(void **state)
{
	static const struct endpoint_caps rows[] = {
		{ 40, 100, 100, 1000, 400, 5 },
		{ 100, 40, 100, 1000, 400, 5 },
		{ 100, 100, 40, 1000, 400, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoints *all = set_up(rows[i]);
		struct webhook_job *j;

		for (size_t k = 0; k < 60; k++)
			add(all, "u", "a", "https://one/a");
		start_all(all, NOW);
		assert_int_equal(endpoints_active(all), 20);
		endpoints_look(all, SLOW - 1);
		assert_int_equal(sorted_out(all), 0);
		assert_true(endpoints_add(all, job("u", "b", "https://one/b"), SLOW));
		j = endpoints_start(all, SLOW);
		assert_string_equal(j->agent_email.p, "b");
		endpoints_look(all, SLOW);
		assert_int_equal(sorted_out(all), 40);
		assert_int_equal(endpoints_waiting(all), 0);
		assert_int_equal(blocked(all), 1);
		assert_false(endpoints_add(all, job("u", "a", "https://one/a"), SLOW));
		endpoints_unblocked(all);
		endpoints_end(all, &jobs[0], CALL_FAILED);
		assert_true(endpoints_unblocked(all));
		assert_int_equal(blocked(all), 0);
		tear_down(all);
	}
}

static void those_that_hang_leave_three_quarters_of_the_room_for_jobs(void **state)
{
	struct endpoints *all = set_up((struct endpoint_caps){ 1000, 1000, 1000, 1, 400, 5 });

	(void)state;
	add(all, "u", "a", "https://a/");
	start_all(all, NOW);
	for (size_t i = 0; i < 100; i++)
		assert_true(endpoints_add(all, job("u", "a", "https://a/"), SLOW));
	assert_false(endpoints_add(all, job("u", "a", "https://a/"), SLOW));
	assert_true(endpoints_add(all, job("u", "b", "https://b/"), SLOW));
	tear_down(all);
}

static void one_user_leaves_a_quarter_of_the_room_for_jobs_to_others(void **state)
{
	const struct endpoint_caps caps = { 100, 100, 100, 10, 100, 5 };
	struct endpoints *all = set_up(caps);
	char agents[80][8];
	size_t n = 0;

	(void)state;
	while (n < 80) {
		snprintf(agents[n], sizeof(agents[n]), "a%zu", n);
		if (!add(all, "u", agents[n], "https://one/"))
			break;
		n++;
	}
	assert_int_equal(n, 75);
	assert_true(add(all, "v", "b", "https://two/"));
	start_all(all, NOW);
	assert_true(add(all, "u", agents[n], "https://one/"));
	tear_down(all);
}

static void failures_in_a_row_clear_the_line(void **state)
{
	struct endpoints *all = set_up(roomy);

	(void)state;
	for (size_t i = 0; i < 20; i++)
		add(all, "u", "a", "https://a/");
	start_all(all, NOW);
	for (size_t i = 0; i < 4; i++)
		endpoints_end(all, &jobs[i], CALL_FAILED);
	assert_int_equal(sorted_out(all), 0);
	endpoints_end(all, &jobs[4], CALL_NOT_MADE);
	assert_int_equal(sorted_out(all), 0);
	endpoints_end(all, &jobs[5], CALL_FAILED);
	assert_int_equal(sorted_out(all), 10);
	assert_int_equal(blocked(all), 1);
	assert_false(add(all, "u", "a", "https://a/"));
	assert_true(add(all, "u", "a", "https://elsewhere/")); /* its new URL */
	endpoints_end(all, &jobs[6], CALL_DELIVERED);          /* of those under way */
	assert_true(add(all, "u", "a", "https://a/"));
	tear_down(all);
}

static void an_endpoint_that_is_gone_clears_its_line_at_once(void **state)
{
	struct endpoints *all = set_up(roomy);

	(void)state;
	for (size_t i = 0; i < 12; i++)
		add(all, "u", "a", "https://a/");
	start_all(all, NOW);
	endpoints_end(all, &jobs[0], CALL_GONE);
	assert_int_equal(sorted_out(all), 2);
	assert_false(add(all, "u", "a", "https://a/"));
	tear_down(all);
}

static void a_line_has_an_end(void **state)
{
	struct endpoints *all = set_up((struct endpoint_caps){ 1, 1, 1, 1, 10000, 5 });
	size_t n = 0;

	(void)state;
	while (add(all, "u", "a", "https://a/"))
		n++;
	assert_int_equal(n, 100);
	assert_int_equal(blocked(all), 1);
	assert_true(add(all, "u", "b", "https://b/"));
	tear_down(all);
}

/* Otherwise its jobs would be claimed and given back without a pause. */
static void one_that_is_refused_and_forgotten_makes_no_place(void **state)
{
	struct endpoints *all = set_up((struct endpoint_caps){ 10, 2, 10, 10, 8, 5 });

	(void)state;
	for (size_t i = 0; i < 4; i++)
		add(all, "u", i % 2 ? "a" : "c", i % 2 ? "https://a/" : "https://c/");
	assert_string_equal(start_all(all, NOW), "c a");
	endpoints_unblocked(all);
	assert_false(endpoints_add(all, job("u", "b", "https://b/"), SLOW));
	assert_int_equal(blocked(all), 0);
	assert_false(endpoints_unblocked(all));
	assert_true(add(all, "u", "b", "https://b/")); /* its calls may end at any moment */
	tear_down(all);
}

static void calls_are_posted_in_the_order_in_which_they_were_started(void **state)
{
	struct endpoints *all = set_up(roomy);
	struct webhook_jobs now = TAILQ_HEAD_INITIALIZER(now);

	(void)state;
	for (size_t i = 0; i < 4; i++)
		add(all, "u", "a", "https://a/");
	start_all(all, NOW);
	endpoint_prepared(&jobs[2], &now);
	endpoint_prepared(&jobs[1], &now);
	assert_true(TAILQ_EMPTY(&now));
	endpoint_prepared(&jobs[0], &now);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(TAILQ_FIRST(&now), &jobs[i]);
		TAILQ_REMOVE(&now, TAILQ_FIRST(&now), turn);
	}
	assert_true(TAILQ_EMPTY(&now));
	endpoints_end(all, &jobs[3], CALL_NOT_MADE); /* never prepared */
	tear_down(all);
}

/* The work of one choice would show as minutes here if it grew with the number of endpoints. */
static void a_thousand_endpoints_at_full_hosts_have_their_turns(void **state)
{
	struct endpoints *all = set_up((struct endpoint_caps){ 500, 400, 2, 3, 4000, 5 });
	char urls[1000][32], agents[1000][16], users[10][8];
	size_t calls[1000] = { 0 }, done = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(urls[i], sizeof(urls[i]), "https://h%zu/", i % 50);
		snprintf(agents[i], sizeof(agents[i]), "a%zu", i);
		snprintf(users[i % 10], sizeof(users[0]), "u%zu", i % 10);
	}
	for (size_t i = 0; i < 3000; i++)
		assert_true(add(all, users[i % 10], agents[i % 1000], urls[i % 1000]));
	while (done < 3000) {
		struct webhook_job *j = endpoints_start(all, NOW);
		size_t i = 0;

		for (; j; j = endpoints_start(all, NOW))
			calls[(size_t)(j - jobs) % 1000]++;
		assert_true(endpoints_active(all) <= 100);
		while (!jobs[i].started_ms || !jobs[i].endpoint)
			i++;
		endpoints_end(all, &jobs[i], CALL_DELIVERED);
		done++;
	}
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(calls[i], 3);
	assert_int_equal(endpoints_waiting(all) + endpoints_active(all), 0);
	endpoints_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_leave_their_line_by_message_id),
		cmocka_unit_test(users_take_turns_and_then_their_endpoints),
		cmocka_unit_test(each_cap_holds),
		cmocka_unit_test(who_waits_for_a_full_host_goes_on_when_a_call_ends),
		cmocka_unit_test(who_must_not_go_on_at_a_host_lets_the_next_one_go),
		cmocka_unit_test(one_that_is_new_has_one_call_when_half_of_a_cap_is_used),
		cmocka_unit_test(one_that_hangs_leaves_half_of_each_cap_to_others),
		cmocka_unit_test(those_that_hang_leave_three_quarters_of_the_room_for_jobs),
		cmocka_unit_test(one_user_leaves_a_quarter_of_the_room_for_jobs_to_others),
		cmocka_unit_test(failures_in_a_row_clear_the_line),
		cmocka_unit_test(an_endpoint_that_is_gone_clears_its_line_at_once),
		cmocka_unit_test(a_line_has_an_end),
		cmocka_unit_test(one_that_is_refused_and_forgotten_makes_no_place),
		cmocka_unit_test(calls_are_posted_in_the_order_in_which_they_were_started),
		cmocka_unit_test(a_thousand_endpoints_at_full_hosts_have_their_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
