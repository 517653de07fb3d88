/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an export shows, against the schema itself: a table with data of users
 * that is added later fails here until a part shows it, or until it is said
 * why none does.
 */
#include "common/store/store_export.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_export"

/* Columns that tell whose a row is. */
static const struct db_stmt personal = {
	"test_personal",
	"SELECT DISTINCT c.table_name::text FROM information_schema.columns c "
	"JOIN information_schema.tables t USING (table_schema, table_name) "
	"WHERE c.table_schema = 'e2a' AND t.table_type = 'BASE TABLE' AND c.table_name <> 'users' "
	"AND c.column_name ~ '^(user_id|agent_email|owner|email|address|recipient)$'",
	false
};

static const struct db_stmt exists = {
	"test_exists",
	"SELECT FROM information_schema.tables WHERE table_schema = 'e2a' "
	"AND table_type = 'BASE TABLE' AND table_name = $1",
	false
};

static bool names(const char *tables, struct slice table)
{
	struct slice rest = slice_str(tables), one;

	while (slice_cut(&rest, ' ', &one))
		if (slice_eq(one, table))
			return true;
	return false;
}

static bool exported(struct slice table)
{
	for (const struct store_export_part *p = store_export_parts; p->key; p++)
		if (names(p->tables, table))
			return true;
	return false;
}

static bool omitted(struct slice table)
{
	for (const struct store_export_omission *o = store_export_omissions; o->table; o++)
		if (slice_eq(slice_str(o->table), table))
			return true;
	return false;
}

static void each_table_with_data_of_users_is_exported_or_omitted_for_a_reason(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	(void)state;
	assert_ok(db_query(db, &personal, NULL, &r, &fail), &fail);
	assert_true(db_rows_count(r) > 10);
	for (size_t i = 0; i < db_rows_count(r); i++) {
		struct slice table = db_slice(r, i, 0);

		if (exported(table) == omitted(table))
			fail_msg("%.*s: %s (store_export.c)", SLICE_ARGS(table),
				 omitted(table) ? "exported and omitted"
						: "neither exported nor omitted");
	}
}

static void assert_table(struct db *db, struct slice table)
{
	struct db_args args = DB_ARGS_INIT;
	struct fail fail = { 0 };
	size_t n;

	db_arg_text(&args, table);
	assert_ok(db_query_count(db, &exists, &args, &n, &fail), &fail);
	if (n == 0)
		fail_msg("%.*s: no such table", SLICE_ARGS(table));
}

static void parts_and_omissions_name_tables_that_exist(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	for (const struct store_export_part *p = store_export_parts; p->key; p++) {
		struct slice rest = slice_str(p->tables), one;

		while (slice_cut(&rest, ' ', &one))
			assert_table(db, one);
	}
	for (const struct store_export_omission *o = store_export_omissions; o->table; o++)
		assert_table(db, slice_str(o->table));
}

static void a_snapshot_sees_one_state_and_changes_nothing(void **state)
{
	static const struct db_stmt count = { "test_count", "SELECT count(*) FROM users", false };
	static const struct db_stmt write = { "test_write", "DELETE FROM users", true };
	AUTO(db_closep)
	struct db *db = fresh_open(DATABASE, NULL), *other = fresh_open(DATABASE, NULL);
	AUTO(db_rows_freep) struct db_rows *before = NULL, *after = NULL;
	struct fail fail = { 0 };

	(void)state;
	assert_ok(db_begin_snapshot(db, 1000, &fail), &fail);
	assert_ok(db_query(db, &count, NULL, &before, &fail), &fail);
	fresh_script(other, "INSERT INTO users (id, email) VALUES ('u', 'u@one.example')");
	assert_ok(db_query(db, &count, NULL, &after, &fail), &fail);
	assert_int_equal(db_int(before, 0, 0), 0);
	assert_int_equal(db_int(after, 0, 0), 0);
	assert_int_equal(db_query(db, &write, NULL, NULL, &fail), ERR_STORAGE);
}

static void a_snapshot_of_which_nothing_is_asked_ends(void **state)
{
	static const struct db_stmt nap = { "test_nap", "SELECT pg_sleep(0.2)", false };
	static const struct db_stmt one = { "test_one", "SELECT 1", false };
	AUTO(db_closep)
	struct db *db = fresh_open(DATABASE, NULL), *other = fresh_open(DATABASE, NULL);
	struct fail fail = { 0 };

	(void)state;
	assert_ok(db_begin_snapshot(db, 50, &fail), &fail);
	assert_ok(db_query(db, &one, NULL, NULL, &fail), &fail);
	assert_ok(db_query(other, &nap, NULL, NULL, &fail), &fail);
	assert_int_equal(db_query(db, &one, NULL, NULL, &fail), ERR_STORAGE);
	assert_int_equal(db_query(db, &one, NULL, NULL, &fail), ERR_STORAGE); /* not on a new one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_table_with_data_of_users_is_exported_or_omitted_for_a_reason),
		cmocka_unit_test(parts_and_omissions_name_tables_that_exist),
		cmocka_unit_test(a_snapshot_sees_one_state_and_changes_nothing),
		cmocka_unit_test(a_snapshot_of_which_nothing_is_asked_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
