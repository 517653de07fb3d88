/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a mail job: sealed, leased, tried again, ended; and who may end it. */
#include "common/store/store_mail.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_mail"

enum { MINUTE_MS = 60 * 1000 };

static struct keys keys, other_keys;

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, "INSERT INTO users (id, email) VALUES ('u', 'u@example.com')");
	keys_derive(S("a secret of at least thirty-two bytes"), &keys);
	keys_derive(S("another one of at least thirty-two bytes"), &other_keys);
	return 0;
}

static int emptied(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, "DELETE FROM mail_jobs");
	return 0;
}

static void add(int64_t lifetime_ms)
{
	const struct store_mail mail = {
		.kind = "feedback",
		.user_id = S("u"),
		.to = S("operator@example.com"),
		.reply_to = S("carol@example.org"),
		.subject = S("Gr\xc3\xbc\xc3\x9f"
			     "e"),
		.text = S("secret\nlink\n"),
		.lifetime_ms = lifetime_ms,
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct fail fail = { 0 };

	assert_ok(store_mail_add(db, &keys, &mail, &fail), &fail);
}

static int64_t number(const char *sql)
{
	const struct db_stmt stmt = { "t_number", sql, false };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	assert_ok(db_query(db, &stmt, NULL, &r, &fail), &fail);
	return db_int(r, 0, 0);
}

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

/* The number of jobs; the first of them in *ret. */
static size_t claim(struct db *db, const struct keys *k, const char *lease, struct arena *a,
		    struct store_mail_job *ret)
{
	const struct store_mail_claim args = { slice_str(lease), MINUTE_MS, 10, false };
	struct store_mail_job *v;
	struct fail fail = { 0 };
	size_t n;

	assert_ok(store_mail_claim(db, k, &args, a, &v, &n, &fail), &fail);
	if (n)
		*ret = v[0];
	return n;
}

static enum store_mail_state fail_it(struct db *db, struct slice id, const char *lease, bool final)
{
	static const int64_t schedule_ms[] = { 10 * 1000, 100 * 1000 };
	const struct store_mail_failure f = { id,    slice_str(lease), S("smtp 451"),
					      final, schedule_ms,      ARRAY_LEN(schedule_ms) };
	enum store_mail_state state;
	struct fail fail = { 0 };

	assert_ok(store_mail_failed(db, &f, &state, &fail), &fail);
	return state;
}

static void a_job_comes_back_as_it_was_given(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_mail_job job;

	(void)state;
	add(MINUTE_MS);
	assert_int_equal(claim(db, &keys, "l1", &a, &job), 1);
	assert_true(slice_eq(job.kind, S("feedback")));
	assert_true(slice_eq(job.to, S("operator@example.com")));
	assert_true(slice_eq(job.reply_to, S("carol@example.org")));
	assert_true(slice_eq(job.subject, S("Gr\xc3\xbc\xc3\x9f"
					    "e")));
	assert_true(slice_eq(job.text, S("secret\nlink\n")));
	assert_false(job.expired || job.unreadable);
	assert_int_equal(number("SELECT count(*) FROM mail_jobs WHERE sealed::text LIKE '%' || "
				"encode('secret', 'hex') || '%'"),
			 0);
}

static void a_job_is_sealed_to_its_row_and_key(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_mail_job job;

	(void)state;
	add(MINUTE_MS);
	assert_int_equal(claim(db, &other_keys, "l1", &a, &job), 1);
	assert_true(job.unreadable && job.text.n == 0);
	change("UPDATE mail_jobs SET id = 'mail_00000000000000000000000000000000', "
	       "lease_until = NULL");
	assert_int_equal(claim(db, &keys, "l2", &a, &job), 1);
	assert_true(job.unreadable && job.text.n == 0);
}

static void a_leased_job_is_not_given_twice_before_the_lease_is_over(void **state)
{
	AUTO(db_closep) struct db *one = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(db_closep) struct db *two = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_mail_job job;

	(void)state;
	add(MINUTE_MS);
	assert_int_equal(claim(one, &keys, "l1", &a, &job), 1);
	assert_int_equal(claim(two, &keys, "l2", &a, &job), 0);
	change("UPDATE mail_jobs SET lease_until = now() - interval '1 ms'");
	assert_int_equal(claim(two, &keys, "l2", &a, &job), 1);
}

static void only_the_lease_ends_a_job(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_mail_job job;
	struct fail fail = { 0 };
	bool ours = true;

	(void)state;
	add(60 * MINUTE_MS);
	assert_int_equal(claim(db, &keys, "l1", &a, &job), 1);
	assert_ok(store_mail_sent(db, job.id, S("l2"), &ours, &fail), &fail);
	assert_false(ours);
	assert_int_equal(fail_it(db, job.id, "l2", true), STORE_MAIL_LOST);
	assert_int_equal(number("SELECT count(*) FROM mail_jobs WHERE lease_id = 'l1'"), 1);
	assert_ok(store_mail_sent(db, job.id, S("l1"), &ours, &fail), &fail);
	assert_true(ours);
	assert_int_equal(number("SELECT count(*) FROM mail_jobs"), 0);
}

static void the_waits_are_those_of_the_schedule(void **state)
{
	static const int64_t want_s[] = { 10, 100, 100, 100 };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");

	(void)state;
	add(60 * MINUTE_MS);
	for (size_t i = 0; i < ARRAY_LEN(want_s); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_mail_job job;
		int64_t wait_ms;

		assert_int_equal(claim(db, &keys, "l", &a, &job), 1);
		assert_int_equal(job.attempts, i);
		assert_int_equal(fail_it(db, job.id, "l", false), STORE_MAIL_PENDING);
		wait_ms = number("SELECT (extract(epoch FROM due_at - now()) * 1000)::int8 "
				 "FROM mail_jobs");
		assert_in_range(wait_ms, want_s[i] * 800 - 5000, want_s[i] * 1200);
		assert_int_equal(claim(db, &keys, "l", &a, &job), 0);
		change("UPDATE mail_jobs SET due_at = now()");
	}
	assert_int_equal(number("SELECT count(*) FROM mail_jobs WHERE last_error = 'smtp 451'"), 1);
}

static void what_has_failed_says_nothing_any_more(void **state)
{
	static const struct {
		int64_t lifetime_ms;
		bool final;
		enum store_mail_state want;
	} rows[] = {
		{ 60 * MINUTE_MS, true, STORE_MAIL_FAILED },
		{ 60 * MINUTE_MS, false, STORE_MAIL_PENDING },
		{ 7 * 1000, false, STORE_MAIL_FAILED }, /* no attempt fits before its end */
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_mail_job job;

		emptied(NULL);
		add(rows[i].lifetime_ms);
		assert_int_equal(claim(db, &keys, "l", &a, &job), 1);
		assert_int_equal(fail_it(db, job.id, "l", rows[i].final), rows[i].want);
		assert_int_equal(number("SELECT count(*) FROM mail_jobs WHERE state = 'failed' "
					"AND sealed = '' AND attempts = 1"),
				 rows[i].want == STORE_MAIL_FAILED);
		assert_int_equal(claim(db, &keys, "l", &a, &job), 0);
	}
}

static void a_job_that_waited_too_long_is_marked(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_mail_job job;

	(void)state;
	add(0);
	assert_int_equal(claim(db, &keys, "l", &a, &job), 1);
	assert_true(job.expired);
}

static void a_failed_job_is_kept_for_its_time(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	add(MINUTE_MS);
	add(MINUTE_MS);
	change("UPDATE mail_jobs SET due_at = now() - interval '2 h'");
	change("UPDATE mail_jobs SET state = 'failed' WHERE id = (SELECT min(id) FROM mail_jobs)");
	assert_ok(store_mail_expire(db, 180LL * MINUTE_MS, 10, &n, &fail), &fail);
	assert_int_equal(n, 0);
	assert_ok(store_mail_expire(db, 60LL * MINUTE_MS, 10, &n, &fail), &fail);
	assert_int_equal(n, 1);
	assert_int_equal(number("SELECT count(*) FROM mail_jobs WHERE state = 'pending'"), 1);
}

/* An older e2a-deliverd, which may still run, knows nothing but to give it up. */
static void a_notice_is_left_to_who_can_write_it(void **state)
{
	static const int64_t schedule_ms[] = { 10 * 1000 };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_mail_job job;
	struct store_mail_failure f = { .lease_id = S("l"),
					.why = S("unreadable"),
					.final = true,
					.schedule_ms = schedule_ms,
					.schedule_n = ARRAY_LEN(schedule_ms) };
	enum store_mail_state is;
	struct fail fail = { 0 };

	(void)state;
	change("INSERT INTO mail_jobs (id, kind, recipient, sealed, expires_at) VALUES "
	       "('n', 'hold', 'r@r.example', '', now() + interval '1 h')");
	assert_int_equal(claim(db, &keys, "l", &a, &job), 1);
	assert_true(job.unreadable);
	f.id = job.id;
	assert_int_not_equal(store_mail_failed(db, &f, &is, &fail), OK);
	assert_int_equal(number("SELECT count(*) FROM mail_jobs WHERE state = 'pending' "
				"AND attempts = 0"),
			 1);
	f.why = S("smtp_550");
	assert_ok(store_mail_failed(db, &f, &is, &fail), &fail);
	assert_int_equal(is, STORE_MAIL_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_job_comes_back_as_it_was_given, emptied),
		cmocka_unit_test_setup(a_job_is_sealed_to_its_row_and_key, emptied),
		cmocka_unit_test_setup(a_leased_job_is_not_given_twice_before_the_lease_is_over,
				       emptied),
		cmocka_unit_test_setup(only_the_lease_ends_a_job, emptied),
		cmocka_unit_test_setup(the_waits_are_those_of_the_schedule, emptied),
		cmocka_unit_test_setup(what_has_failed_says_nothing_any_more, emptied),
		cmocka_unit_test_setup(a_job_that_waited_too_long_is_marked, emptied),
		cmocka_unit_test_setup(a_failed_job_is_kept_for_its_time, emptied),
		cmocka_unit_test_setup(a_notice_is_left_to_who_can_write_it, emptied),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
