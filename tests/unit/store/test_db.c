/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, parameters, rows and transactions against a real Postgres
 * (tests/with-postgres). Backends are killed by a second connection, the boss.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/store/db.h"
#include "tests/unit/test.h"

#include <poll.h>
#include <pthread.h>

static const char *url;
static struct db *db, *boss;

static const char setup_sql[] =
	"DROP SCHEMA IF EXISTS e2a CASCADE; CREATE SCHEMA e2a;"
	"CREATE TABLE e2a.item (id int8 CONSTRAINT item_key PRIMARY KEY, n int8 NOT NULL DEFAULT 0"
	"  CONSTRAINT item_small CHECK (n < 1000));"
	"CREATE TABLE e2a.part (item int8 CONSTRAINT part_of REFERENCES e2a.item);"
	"CREATE TABLE e2a.slow (id int8);"
	"CREATE FUNCTION e2a.wait_long() RETURNS trigger LANGUAGE plpgsql AS"
	"  'BEGIN PERFORM pg_sleep(20); RETURN NULL; END';"
	"CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON e2a.slow"
	"  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION e2a.wait_long();";

static const struct db_stmt pid_stmt = { "t_pid", "SELECT pg_backend_pid()::int8", false };
static const struct db_stmt kill_stmt = { "t_kill", "SELECT pg_terminate_backend($1::int4, 5000)",
					  false };
static const struct db_stmt busy_stmt = {
	"t_busy",
	"SELECT 1::int8 FROM pg_stat_activity WHERE pid = $1::int4 AND wait_event = 'PgSleep'",
	false
};
static const struct db_stmt insert_stmt = { "t_insert", "INSERT INTO item (id) VALUES ($1)", true };
static const struct db_stmt count_stmt = { "t_count", "SELECT count(*) FROM item WHERE id = $1",
					   false };
static const struct db_stmt read_stmt = { "t_read", "SELECT n FROM item WHERE id = $1", false };
static const struct db_stmt bump_stmt = { "t_bump", "UPDATE item SET n = n + 1 WHERE id = $1",
					  true };

static int64_t ask(struct db *on, const struct db_stmt *stmt, int64_t arg, bool has_arg)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct db_args args = DB_ARGS_INIT;
	struct fail f = { 0 };

	if (has_arg)
		db_arg_int(&args, arg);
	if (db_query(on, stmt, &args, &r, &f))
		fail_msg("%s: %s", stmt->name, f.what);
	return db_rows_count(r) ? db_int(r, 0, 0) : -1;
}

static int64_t pid_of(struct db *on)
{
	return ask(on, &pid_stmt, 0, false);
}

static enum err insert(struct db *on, int64_t id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, id);
	return db_query(on, &insert_stmt, &args, NULL, fail);
}

static void kill_backend(int64_t pid)
{
	ask(boss, &kill_stmt, pid, true);
}

/* A thread that kills `pid` once it sleeps inside a statement. */
static void *kill_when_busy(void *arg)
{
	int64_t pid = *(int64_t *)arg, until = clock_mono_ms() + 10000;

	while (ask(boss, &busy_stmt, pid, true) != 1 && clock_mono_ms() < until)
		poll(NULL, 0, 5);
	kill_backend(pid);
	return NULL;
}

/* Runs fn(db) while its backend is killed in the middle. */
static enum err run_and_kill(enum err (*fn)(struct fail *), struct fail *fail)
{
	int64_t pid = pid_of(db);
	pthread_t killer;
	enum err e;

	assert_int_equal(pthread_create(&killer, NULL, kill_when_busy, &pid), 0);
	e = fn(fail);
	pthread_join(killer, NULL);
	return e;
}

static void text_with_nul_or_bad_utf8_is_an_input_error(void **state)
{
	static const struct db_stmt stmt = { "t_text", "SELECT $1::text", false };
	static const struct slice rows[] = { SLICE_INIT("a\0b"), SLICE_INIT("\xff"),
					     SLICE_INIT("\xed\xa0\x80") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct db_args args = DB_ARGS_INIT;
		struct fail f = { 0 };

		db_arg_text(&args, rows[i]);
		assert_row(i, db_query(db, &stmt, &args, NULL, &f) == ERR_INPUT);
		assert_row(i, f.code == ERR_INPUT);
	}
}

static void text_and_bytes_come_back_as_they_went(void **state)
{
	static const struct db_stmt stmt = {
		"t_strings", "SELECT $1::text, $2::bytea, $3::text, $4::text, $5::bytea", false
	};
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct db_args args = DB_ARGS_INIT;
	struct slice none = { NULL, 0 };

	(void)state;
	db_arg_text(&args, S("it's \"caf\xc3\xa9\" \\ {} $1"));
	db_arg_bytes(&args, S("\0\xff\\x00'\n"));
	db_arg_text(&args, none);
	db_arg_text_or_null(&args, S(""));
	db_arg_null(&args);
	assert_int_equal(db_query(db, &stmt, &args, &r, NULL), OK);
	assert_slice(db_slice(r, 0, 0), S("it's \"caf\xc3\xa9\" \\ {} $1"));
	assert_slice(db_slice(r, 0, 1), S("\0\xff\\x00'\n"));
	assert_false(db_is_null(r, 0, 2));
	assert_int_equal(db_slice(r, 0, 2).n, 0);
	assert_true(db_is_null(r, 0, 3) && db_is_null(r, 0, 4));
	assert_int_equal(db_slice(r, 0, 4).n, 0);
}

static void integers_of_all_widths_reach_their_ends(void **state)
{
	static const struct db_stmt stmt = {
		"t_ints",
		"SELECT $1::int8, $2::int4, $3::int2, $4::bool, $5::bool, NULL::int8, NULL::bool",
		false
	};
	static const struct {
		int64_t v8, v4, v2;
	} rows[] = {
		{ INT64_MIN, INT32_MIN, INT16_MIN },
		{ INT64_MAX, INT32_MAX, INT16_MAX },
		{ -1, -1, -1 },
		{ 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(db_rows_freep) struct db_rows *r = NULL;
		struct db_args args = DB_ARGS_INIT;

		db_arg_int(&args, rows[i].v8);
		db_arg_int(&args, rows[i].v4);
		db_arg_int(&args, rows[i].v2);
		db_arg_bool(&args, true);
		db_arg_bool(&args, false);
		assert_row(i, db_query(db, &stmt, &args, &r, NULL) == OK);
		assert_row(i, db_int(r, 0, 0) == rows[i].v8);
		assert_row(i, db_int(r, 0, 1) == rows[i].v4);
		assert_row(i, db_int(r, 0, 2) == rows[i].v2);
		assert_row(i, db_bool(r, 0, 3) && !db_bool(r, 0, 4));
		assert_row(i, db_int(r, 0, 5) == 0 && !db_bool(r, 0, 6));
	}
}

static void a_number_too_large_for_its_column_is_an_input_error(void **state)
{
	static const struct db_stmt stmt = { "t_narrow", "SELECT $1::int4", false };
	struct db_args args = DB_ARGS_INIT;

	(void)state;
	db_arg_int(&args, (int64_t)INT32_MAX + 1);
	assert_int_equal(db_query(db, &stmt, &args, NULL, NULL), ERR_INPUT);
}

static void times_come_back_also_from_before_1970(void **state)
{
	static const struct db_stmt stmt = {
		"t_time", "SELECT $1::timestamptz, ($1::timestamptz)::text, NULL::timestamptz",
		false
	};
	static const struct {
		int64_t t;
		const char *want;
	} rows[] = {
		{ 0, "1970-01-01 00:00:00+00" },
		{ -1, "1969-12-31 23:59:59.999999+00" },
		{ 1768473000123456, "2026-01-15 10:30:00.123456+00" },
		{ 946684800000000, "2000-01-01 00:00:00+00" },
		{ -62135596800000000, "0001-01-01 00:00:00+00" },
		{ 253402300799999999, "9999-12-31 23:59:59.999999+00" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(db_rows_freep) struct db_rows *r = NULL;
		struct db_args args = DB_ARGS_INIT;

		db_arg_time(&args, rows[i].t);
		assert_row(i, db_query(db, &stmt, &args, &r, NULL) == OK);
		assert_row(i, db_time(r, 0, 0) == rows[i].t);
		assert_slice_row(db_slice(r, 0, 1), slice_str(rows[i].want), i);
		assert_row(i, db_time(r, 0, 2) == 0);
	}
}

static void arrays_survive_quotes_backslashes_and_words_like_null(void **state)
{
	static const struct db_stmt stmt = { "t_texts",
					     "SELECT $1::text[], cardinality($1::text[])", false };
	static const struct slice texts[] = {
		SLICE_INIT("plain"),    SLICE_INIT(""),      SLICE_INIT("\""),
		SLICE_INIT("\\"),       SLICE_INIT("a,b"),   SLICE_INIT("{x}"),
		SLICE_INIT("NULL"),     SLICE_INIT(" \t\n"), SLICE_INIT("\\\"{"),
		SLICE_INIT("\xc3\xa9"), { NULL, 0 },
	};

	(void)state;
	for (size_t n = 0; n <= ARRAY_LEN(texts); n++) {
		AUTO(db_rows_freep) struct db_rows *r = NULL;
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct db_args args = DB_ARGS_INIT;
		struct slice *got;
		size_t got_n;

		db_arg_texts(&args, texts, n);
		assert_row(n, db_query(db, &stmt, &args, &r, NULL) == OK);
		db_slices(r, 0, 0, &a, &got, &got_n);
		assert_row(n, got_n == n && db_int(r, 0, 1) == (int64_t)n);
		for (size_t i = 0; i < n; i++)
			assert_slice_row(got[i], texts[i], i);
	}
}

static void arrays_of_numbers_and_bytes_are_read(void **state)
{
	static const struct db_stmt stmt = {
		"t_arrays",
		"SELECT (SELECT array_agg(v ORDER BY v)::text FROM unnest($1::int8[]) v),"
		" ARRAY['\\x00ff'::bytea, NULL, ''], NULL::text[], ARRAY[ARRAY['a'], ARRAY['b']],"
		" cardinality($2::int8[])",
		false
	};
	static const int64_t ints[] = { INT64_MAX, 0, INT64_MIN };
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct db_args args = DB_ARGS_INIT;
	struct slice *got;
	size_t n;

	(void)state;
	db_arg_ints(&args, ints, 3);
	db_arg_ints(&args, NULL, 0);
	assert_int_equal(db_query(db, &stmt, &args, &r, NULL), OK);
	assert_slice(db_slice(r, 0, 0), S("{-9223372036854775808,0,9223372036854775807}"));
	db_slices(r, 0, 1, &a, &got, &n);
	assert_int_equal(n, 3);
	assert_slice(got[0], S("\0\xff"));
	assert_int_equal(got[1].n + got[2].n, 0);
	db_slices(r, 0, 2, &a, &got, &n);
	assert_int_equal(n, 0);
	db_slices(r, 0, 3, &a, &got, &n);
	assert_int_equal(n, 0); /* of two dimensions: not read */
	assert_int_equal(db_int(r, 0, 4), 0);
}

static void constraints_are_conflicts_that_name_themselves(void **state)
{
	static const struct db_stmt check = { "t_check", "INSERT INTO item VALUES (2, 1000)",
					      true },
				    foreign = { "t_foreign", "INSERT INTO part VALUES (404)",
						true },
				    null = { "t_null", "INSERT INTO item VALUES (NULL)", true },
				    syntax = { "t_syntax", "SELECT FROM WHERE", false },
				    absent = { "t_absent", "SELECT 1 FROM nowhere", false };
	static const struct {
		const struct db_stmt *stmt;
		enum err want;
		const char *what;
	} rows[] = {
		{ &check, ERR_CONFLICT, "postgres: 23514: item_small" },
		{ &foreign, ERR_CONFLICT, "postgres: 23503: part_of" },
		{ &null, ERR_INTERNAL, "postgres: 23502: " },
		{ &syntax, ERR_INTERNAL, "postgres: 42601: " },
		{ &absent, ERR_INTERNAL, "postgres: 42P01: " },
	};
	struct fail f = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_row(i, db_query(db, rows[i].stmt, NULL, NULL, &f) == rows[i].want);
		assert_row(i, slice_starts(slice_str(f.what), slice_str(rows[i].what)));
	}
	assert_int_equal(insert(db, 1, &f), OK);
	assert_int_equal(insert(db, 1, &f), ERR_CONFLICT);
	assert_string_equal(f.what, "postgres: 23505: item_key");
}

static void a_closed_idle_connection_is_made_anew(void **state)
{
	int64_t pid = pid_of(db);

	(void)state;
	kill_backend(pid);
	assert_int_not_equal(pid_of(db), pid);
}

static void a_write_after_an_idle_loss_is_done_and_known(void **state)
{
	struct fail f = { 0 };

	(void)state;
	for (int64_t id = 100; id < 120; id++) {
		kill_backend(pid_of(db));
		if (insert(db, id, &f))
			fail_msg("%s", f.what);
		assert_int_equal(ask(db, &count_stmt, id, true), 1);
	}
}

static enum err sleeping_write(struct fail *fail)
{
	static const struct db_stmt stmt = { "t_slow_write",
					     "INSERT INTO item SELECT 200 FROM pg_sleep(20)",
					     true };

	return db_query(db, &stmt, NULL, NULL, fail);
}

static enum err sleeping_read(struct fail *fail)
{
	static const struct db_stmt stmt = { "t_slow_read", "SELECT pg_sleep(20)", false };

	return db_query(db, &stmt, NULL, NULL, fail);
}

static void a_write_that_is_cut_off_is_unknown(void **state)
{
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(run_and_kill(sleeping_write, &f), ERR_COMMIT_UNKNOWN);
	assert_int_equal(f.code, ERR_COMMIT_UNKNOWN);
	assert_int_equal(ask(db, &count_stmt, 200, true), 0);
}

static void a_read_that_is_cut_off_is_a_storage_error(void **state)
{
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(run_and_kill(sleeping_read, &f), ERR_STORAGE);
	assert_true(pid_of(db) > 0);
}

static enum err write_in_tx(struct db *on, void *arg, struct fail *fail)
{
	(void)on;
	(void)arg;
	return sleeping_write(fail);
}

static enum err tx_with_slow_write(struct fail *fail)
{
	return db_tx(db, write_in_tx, NULL, fail);
}

static void a_loss_inside_a_transaction_is_known_to_have_done_nothing(void **state)
{
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(run_and_kill(tx_with_slow_write, &f), ERR_STORAGE);
	assert_int_equal(f.code, ERR_STORAGE);
	assert_int_equal(ask(db, &count_stmt, 200, true), 0);
}

static enum err insert_slow_commit(struct db *on, void *arg, struct fail *fail)
{
	static const struct db_stmt stmt = { "t_slow", "INSERT INTO slow VALUES (1)", true };

	(void)arg;
	return db_query(on, &stmt, NULL, NULL, fail);
}

static enum err tx_with_slow_commit(struct fail *fail)
{
	return db_tx(db, insert_slow_commit, NULL, fail);
}

static void a_commit_that_is_cut_off_is_unknown(void **state)
{
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(run_and_kill(tx_with_slow_commit, &f), ERR_COMMIT_UNKNOWN);
	assert_int_equal(f.code, ERR_COMMIT_UNKNOWN);
	assert_true(pid_of(db) > 0);
}

static enum err kill_then_ask(struct db *on, void *arg, struct fail *fail)
{
	(void)arg;
	kill_backend(pid_of(on));
	return insert(on, 300, fail);
}

static void a_lost_transaction_is_not_continued_on_a_new_connection(void **state)
{
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(db_tx(db, kill_then_ask, NULL, &f), ERR_STORAGE);
	assert_int_equal(ask(db, &count_stmt, 300, true), 0);
}

static enum err insert_then_die(struct db *on, void *arg, struct fail *fail)
{
	int64_t pid = pid_of(on);
	enum err e = insert(on, 301, fail);

	(void)arg;
	kill_backend(pid);
	return e;
}

static void a_connection_lost_before_commit_is_never_a_success(void **state)
{
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(db_tx(db, insert_then_die, NULL, &f), ERR_COMMIT_UNKNOWN);
	assert_int_equal(ask(db, &count_stmt, 301, true), 0);
}

static enum err insert_and_refuse(struct db *on, void *arg, struct fail *fail)
{
	if (insert(on, 400, fail))
		return ERR_INTERNAL;
	return fail_set(fail, *(enum err *)arg, "refused");
}

static void what_fn_refuses_is_rolled_back(void **state)
{
	enum err why = ERR_FORBIDDEN;
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(db_tx(db, insert_and_refuse, &why, &f), ERR_FORBIDDEN);
	assert_string_equal(f.what, "refused");
	assert_int_equal(ask(db, &count_stmt, 400, true), 0);
	why = OK;
	assert_int_equal(db_tx(db, insert_and_refuse, &why, &f), OK);
	assert_int_equal(ask(db, &count_stmt, 400, true), 1);
}

static enum err swallow_a_conflict(struct db *on, void *arg, struct fail *fail)
{
	(void)arg;
	if (insert(on, 401, fail) || insert(on, 401, fail) != ERR_CONFLICT)
		return ERR_INTERNAL;
	return OK;
}

static void a_failure_that_fn_hides_does_not_commit(void **state)
{
	(void)state;
	assert_int_equal(db_tx(db, swallow_a_conflict, NULL, NULL), ERR_STORAGE);
	assert_int_equal(ask(db, &count_stmt, 401, true), 0);
}

struct contest {
	int calls;
	int disturbed; /* how many calls meet a second writer */
};

static enum err read_then_bump(struct db *on, void *arg, struct fail *fail)
{
	struct db_args read_args = DB_ARGS_INIT, args = DB_ARGS_INIT, boss_args = DB_ARGS_INIT;
	struct contest *c = arg;
	enum err e = db_script(on, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", fail);

	db_arg_int(&read_args, 500);
	if (e || db_query(on, &read_stmt, &read_args, NULL, fail))
		return ERR_INTERNAL;
	if (c->calls++ < c->disturbed) {
		db_arg_int(&boss_args, 500);
		assert_int_equal(db_query(boss, &bump_stmt, &boss_args, NULL, NULL), OK);
	}
	db_arg_int(&args, 500);
	return db_query(on, &bump_stmt, &args, NULL, fail);
}

static void a_serialisation_failure_repeats_the_whole_transaction(void **state)
{
	struct contest c = { .disturbed = 2 };

	(void)state;
	assert_int_equal(insert(db, 500, NULL), OK);
	assert_int_equal(db_tx(db, read_then_bump, &c, NULL), OK);
	assert_int_equal(c.calls, 3);
	assert_int_equal(ask(db, &read_stmt, 500, true), 3);
}

static void repeating_ends_after_five_times(void **state)
{
	struct contest c = { .disturbed = 100 };
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(db_tx(db, read_then_bump, &c, &f), ERR_STORAGE);
	assert_int_equal(c.calls, 5);
	assert_true(slice_starts(slice_str(f.what), S("postgres: 40001")));
}

/* Each of two transactions reads what the other one writes: the second COMMIT fails. */
static enum err write_skew(struct db *on, void *arg, struct fail *fail)
{
	struct contest *c = arg;

	if (db_script(on,
		      "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT sum(n) FROM item;"
		      "UPDATE item SET n = n + 1 WHERE id = 500",
		      fail))
		return ERR_INTERNAL;
	if (c->calls++ < c->disturbed)
		assert_int_equal(db_script(boss,
					   "BEGIN ISOLATION LEVEL SERIALIZABLE;"
					   "SELECT sum(n) FROM item;"
					   "UPDATE item SET n = n + 1 WHERE id = 1; COMMIT",
					   NULL),
				 OK);
	return OK;
}

static void a_serialisation_failure_of_commit_is_repeated_too(void **state)
{
	struct contest c = { .disturbed = 1 };
	struct fail f = { 0 };

	(void)state;
	if (db_tx(db, write_skew, &c, &f))
		fail_msg("%s", f.what);
	assert_int_equal(c.calls, 2);
}

static void a_server_that_is_away_is_a_storage_error(void **state)
{
	struct db *away = db_new("postgresql://u:hush@127.0.0.1:1/x", "role", "test");
	struct fail f = { 0 };
	struct db *none = NULL;

	(void)state;
	assert_int_equal(db_query(away, &pid_stmt, NULL, NULL, &f), ERR_STORAGE);
	assert_null(strstr(f.what, "hush"));
	assert_int_equal(db_socket(away), -1);
	assert_int_equal(db_open("postgresql://127.0.0.1:1/x", "role", "test", &none, &f),
			 ERR_STORAGE);
	assert_null(none);
	db_close(away);
	db_close(NULL);
}

static void a_user_in_the_url_wins_over_the_default(void **state)
{
	static const struct db_stmt stmt = {
		"t_user",
		"SELECT current_user::text, current_setting('search_path'),"
		" current_setting('application_name')",
		false
	};
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct db *other = db_new(url, "nobody_at_all", "program-x");
	struct fail f = { 0 };

	(void)state;
	if (db_query(other, &stmt, NULL, &r, &f))
		fail_msg("%s", f.what);
	assert_slice(db_slice(r, 0, 0), S("postgres"));
	assert_slice(db_slice(r, 0, 1), S("e2a"));
	assert_slice(db_slice(r, 0, 2), S("program-x"));
	db_close(other);
}

static void the_default_user_is_used_when_the_url_names_none(void **state)
{
	AUTO(buf_release) struct buf plain = BUF_INIT(1000);
	const char *user = strstr(url, "&user=");
	struct db *other;
	struct fail f = { 0 };

	(void)state;
	assert_non_null(user);
	buf_add(&plain, url, (size_t)(user - url));
	other = db_new(buf_cstr(&plain), "nobody_at_all", "test");
	assert_int_equal(db_query(other, &pid_stmt, NULL, NULL, &f), ERR_STORAGE);
	assert_non_null(strstr(f.what, "nobody_at_all"));
	db_close(other);
}

static void an_exhausted_pool_is_busy(void **state)
{
	struct db_pool *p = db_pool_new(url, NULL, "test", 2);
	struct db *a, *b, *c = NULL;
	struct fail f = { 0 };
	int64_t start;

	(void)state;
	assert_int_equal(db_pool_get(p, 0, &a, &f), OK);
	assert_int_equal(db_pool_get(p, 0, &b, &f), OK);
	assert_int_not_equal(pid_of(a), pid_of(b));
	assert_int_equal(db_pool_get(p, 0, &c, &f), ERR_BUSY);
	start = clock_mono_ms();
	assert_int_equal(db_pool_get(p, 50, &c, &f), ERR_BUSY);
	assert_true(clock_mono_ms() - start >= 49);
	assert_null(c);
	db_pool_put(p, a);
	assert_int_equal(db_pool_get(p, 0, &c, &f), OK);
	assert_ptr_equal(c, a);
	db_pool_put(p, b);
	db_pool_put(p, c);
	db_pool_free(p);
	db_pool_free(NULL);
}

struct borrower {
	struct db_pool *pool;
	enum err result;
};

static void *borrow_often(void *arg)
{
	struct borrower *b = arg;

	for (int i = 0; i < 50 && b->result == OK; i++) {
		struct db *mine;

		b->result = db_pool_get(b->pool, 10000, &mine, NULL);
		if (b->result)
			break;
		b->result = db_query(mine, &pid_stmt, NULL, NULL, NULL);
		db_pool_put(b->pool, mine);
	}
	return NULL;
}

static void threads_that_wait_for_a_connection_get_one(void **state)
{
	struct borrower b[4] = { 0 };
	pthread_t threads[4];
	struct db_pool *p = db_pool_new(url, NULL, "test", 2);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		b[i].pool = p;
		assert_int_equal(pthread_create(&threads[i], NULL, borrow_often, &b[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		pthread_join(threads[i], NULL);
		assert_row(i, b[i].result == OK);
	}
	db_pool_free(p);
}

static void collect(struct slice channel, struct slice payload, void *arg)
{
	(void)channel;
	buf_add_slice(arg, payload);
	buf_add_char(arg, '|');
}

static void notifications_arrive_in_order(void **state)
{
	AUTO(buf_release) struct buf got = BUF_INIT(1000);
	struct db *ear = db_new(url, NULL, "test");
	struct pollfd fd = { .events = POLLIN };

	(void)state;
	assert_int_equal(db_listen(ear, "chan\"nel", NULL), OK);
	assert_int_equal(db_notify(db, "chan\"nel", S("one"), NULL), OK);
	assert_int_equal(db_notify(db, "other", S("no"), NULL), OK);
	assert_int_equal(db_notify(db, "chan\"nel", S(""), NULL), OK);
	assert_int_equal(db_notify(db, "chan\"nel", S("it's"), NULL), OK);
	while (got.len < 10) {
		fd.fd = db_socket(ear);
		assert_int_equal(poll(&fd, 1, 10000), 1);
		assert_int_equal(db_notifications(ear, collect, &got, NULL), OK);
	}
	assert_string_equal(buf_cstr(&got), "one||it's|");
	db_close(ear);
}

static void a_listener_learns_that_its_connection_is_gone(void **state)
{
	AUTO(buf_release) struct buf got = BUF_INIT(1000);
	struct db *ear = db_new(url, NULL, "test");
	struct fail f = { 0 };
	int64_t until = clock_mono_ms() + 10000;
	enum err e;

	(void)state;
	assert_int_equal(db_notifications(ear, collect, &got, &f), ERR_STORAGE);
	assert_int_equal(db_listen(ear, "channel", NULL), OK);
	kill_backend(pid_of(ear));
	do {
		struct pollfd fd = { .fd = db_socket(ear), .events = POLLIN };

		poll(&fd, 1, 100);
		e = db_notifications(ear, collect, &got, &f);
	} while (e == OK && clock_mono_ms() < until);
	assert_int_equal(e, ERR_STORAGE);
	assert_int_equal(db_listen(ear, "channel", NULL), OK);
	db_close(ear);
}

static int connect_both(void **state)
{
	struct fail f = { 0 };

	(void)state;
	if (db_open(url, NULL, "test", &db, &f) || db_open(url, NULL, "boss", &boss, &f) ||
	    db_script(boss, setup_sql, &f)) {
		fprintf(stderr, "%s\n", f.what);
		return -1;
	}
	return 0;
}

static int close_both(void **state)
{
	(void)state;
	db_close(db);
	db_close(boss);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_with_nul_or_bad_utf8_is_an_input_error),
		cmocka_unit_test(text_and_bytes_come_back_as_they_went),
		cmocka_unit_test(integers_of_all_widths_reach_their_ends),
		cmocka_unit_test(a_number_too_large_for_its_column_is_an_input_error),
		cmocka_unit_test(times_come_back_also_from_before_1970),
		cmocka_unit_test(arrays_survive_quotes_backslashes_and_words_like_null),
		cmocka_unit_test(arrays_of_numbers_and_bytes_are_read),
		cmocka_unit_test(constraints_are_conflicts_that_name_themselves),
		cmocka_unit_test(a_closed_idle_connection_is_made_anew),
		cmocka_unit_test(a_write_after_an_idle_loss_is_done_and_known),
		cmocka_unit_test(a_write_that_is_cut_off_is_unknown),
		cmocka_unit_test(a_read_that_is_cut_off_is_a_storage_error),
		cmocka_unit_test(a_loss_inside_a_transaction_is_known_to_have_done_nothing),
		cmocka_unit_test(a_commit_that_is_cut_off_is_unknown),
		cmocka_unit_test(a_lost_transaction_is_not_continued_on_a_new_connection),
		cmocka_unit_test(a_connection_lost_before_commit_is_never_a_success),
		cmocka_unit_test(what_fn_refuses_is_rolled_back),
		cmocka_unit_test(a_failure_that_fn_hides_does_not_commit),
		cmocka_unit_test(a_serialisation_failure_repeats_the_whole_transaction),
		cmocka_unit_test(repeating_ends_after_five_times),
		cmocka_unit_test(a_serialisation_failure_of_commit_is_repeated_too),
		cmocka_unit_test(a_server_that_is_away_is_a_storage_error),
		cmocka_unit_test(a_user_in_the_url_wins_over_the_default),
		cmocka_unit_test(the_default_user_is_used_when_the_url_names_none),
		cmocka_unit_test(an_exhausted_pool_is_busy),
		cmocka_unit_test(threads_that_wait_for_a_connection_get_one),
		cmocka_unit_test(notifications_arrive_in_order),
		cmocka_unit_test(a_listener_learns_that_its_connection_is_gone),
	};

	url = getenv("E2A_TEST_DATABASE_URL");
	if (!url) {
		fprintf(stderr,
			"E2A_TEST_DATABASE_URL is not set; run this by tests/with-postgres\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, connect_both, close_both);
}
