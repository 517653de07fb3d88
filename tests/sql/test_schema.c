/* SPDX-License-Identifier: Apache-2.0 */
/* Migrating: from nothing, again, after tampering, broken, and many at once. */
#include "common/store/schema.h"
#include "tests/sql/fresh.h"

#include <pthread.h>

enum { MIGRATORS = 8 };

static void count(const char *name, void *arg)
{
	(void)name;
	++*(int *)arg;
}

static int known(void)
{
	int n = 0;

	while (migrations[n].version)
		n++;
	return n;
}

static void a_second_run_changes_nothing(void **state)
{
	AUTO(db_closep) struct db *db = fresh_database("t_twice");
	struct fail fail = { 0 };
	int applied = 0;

	(void)state;
	assert_int_equal(db_check_schema(db, &fail), ERR_SCHEMA);
	assert_ok(schema_migrate(db, count, &applied, &fail), &fail);
	assert_int_equal(applied, known());
	assert_ok(db_check_schema(db, &fail), &fail);
	assert_ok(schema_migrate(db, count, &applied, &fail), &fail);
	assert_int_equal(applied, known());
}

static void a_database_of_another_history_is_refused_and_left_alone(void **state)
{
	static const struct {
		const char *sql;
		const char *says;
	} rows[] = {
		{ "UPDATE schema_migrations SET sha256 = repeat('0', 64) WHERE version = 2",
		  "another one" },
		{ "INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'x', 'x')",
		  "newer" },
		{ "UPDATE schema_migrations SET version = 7777 WHERE version = 1", "missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(db_closep) struct db *db = fresh_database("t_tampered");
		struct fail fail = { 0 };
		int applied = 0;

		assert_ok(schema_migrate(db, count, &applied, &fail), &fail);
		fresh_script(db, rows[i].sql);
		applied = 0;
		assert_int_equal(schema_migrate(db, count, &applied, &fail), ERR_SCHEMA);
		assert_non_null(strstr(fail.what, rows[i].says));
		assert_int_equal(applied, 0);
		assert_int_equal(db_check_schema(db, &fail), ERR_SCHEMA);
	}
}

static void a_database_that_lacks_a_migration_is_refused_by_daemons(void **state)
{
	AUTO(db_closep) struct db *db = fresh_database("t_older");
	struct migration first[] = { migrations[0], { 0 } };
	struct fail fail = { 0 };
	int applied = 0;

	(void)state;
	assert_ok(schema_migrate_to(db, first, count, &applied, &fail), &fail);
	assert_int_equal(db_check_schema(db, &fail), ERR_SCHEMA);
	assert_non_null(strstr(fail.what, "e2a-admin migrate"));
}

static void a_broken_migration_leaves_nothing_and_can_be_repeated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_database("t_broken");
	struct migration list[] = {
		{ 1, "0001_one", "11", "CREATE TABLE one ()" },
		{ 2, "0002_two", "22", "CREATE TABLE two (); SELECT 1 / 0" },
		{ 0 },
	};
	struct fail fail = { 0 };
	int applied = 0;

	(void)state;
	assert_int_not_equal(schema_migrate_to(db, list, count, &applied, &fail), OK);
	assert_non_null(strstr(fail.what, "0002_two"));
	assert_int_equal(applied, 1);
	list[1].sql = "CREATE TABLE two ()";
	assert_ok(schema_migrate_to(db, list, count, &applied, &fail), &fail);
	assert_int_equal(applied, 2);
}

/* Held before anybody was asked about held mail. */
static const char sql_waiting[] =
	"SET search_path = e2a;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@w.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token) VALUES "
	"('d', 'x.example', 'u', true, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_enabled) VALUES "
	"('a@x.example', 'a@x.example', 'x.example', 'u', 'local', true);"
	"SELECT submit_outbound('msg_' || n, 'u', 'a@x.example', 'send', 'a@x.example', '<' || n || "
	"'@x.example>', 'S', 'T', '', '{b@w.example}', '{}', '{}', '{b@w.example}', '', '', '{}', '', "
	"0, '', 30, 3600000, 3600000000, 3600000, true) FROM generate_series(1, 3) n;"
	"UPDATE messages SET approval_expires_at = now() WHERE id = 'msg_2';"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode) VALUES "
	"('busy@x.example', 'busy@x.example', 'x.example', 'u', 'local');"
	"INSERT INTO messages (id, user_id, agent_email, direction, status, approval_expires_at, "
	"expires_at) SELECT 'busy_' || n, 'u', 'busy@x.example', 'outbound', 'pending_approval', "
	"now() + (200 - n) * interval '1 h', now() FROM generate_series(1, 101) n;"
	"UPDATE messages SET status = 'rejected' WHERE id = 'msg_3'";

static void mail_that_waits_during_an_upgrade_is_asked_about(void **state)
{
	AUTO(db_closep) struct db *db = fresh_database("t_waiting");
	struct migration list[64] = { 0 };
	struct fail fail = { 0 };
	int applied = 0;

	(void)state;
	for (size_t i = 0; migrations[i].version && migrations[i].version < 19; i++)
		list[i] = migrations[i];
	assert_ok(schema_migrate_to(db, list, count, &applied, &fail), &fail);
	fresh_script(db, sql_waiting);
	assert_ok(schema_migrate(db, count, &applied, &fail), &fail);
	fresh_assert_text("t_waiting",
			  "SELECT string_agg(kind || ' ' || message_id || ' ' || recipient, ',') "
			  "FROM e2a.mail_jobs WHERE message_id LIKE 'msg%'",
			  "hold msg_1 u@w.example");
	fresh_assert_text("t_waiting",
			  "SELECT string_agg(id, ',') FROM e2a.messages m WHERE id LIKE 'busy%' "
			  "AND NOT EXISTS (SELECT FROM e2a.mail_jobs j WHERE j.message_id = m.id)",
			  "busy_1");
}

struct migrator {
	pthread_t thread;
	enum err result;
	int applied;
	struct fail fail;
};

static void *migrate(void *arg)
{
	struct migrator *m = arg;
	AUTO(db_closep) struct db *db = fresh_open("t_many", NULL);

	m->result = schema_migrate(db, count, &m->applied, &m->fail);
	return NULL;
}

static void of_many_at_once_each_migration_is_applied_by_one(void **state)
{
	AUTO(db_closep) struct db *db = fresh_database("t_many");
	struct migrator m[MIGRATORS] = { 0 };
	int applied = 0;

	(void)state;
	for (size_t i = 0; i < MIGRATORS; i++)
		assert_int_equal(pthread_create(&m[i].thread, NULL, migrate, &m[i]), 0);
	for (size_t i = 0; i < MIGRATORS; i++) {
		pthread_join(m[i].thread, NULL);
		assert_ok(m[i].result, &m[i].fail);
		applied += m[i].applied;
	}
	assert_int_equal(applied, known());
	assert_ok(db_check_schema(db, &m[0].fail), &m[0].fail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_that_waits_during_an_upgrade_is_asked_about),
		cmocka_unit_test(a_second_run_changes_nothing),
		cmocka_unit_test(a_database_of_another_history_is_refused_and_left_alone),
		cmocka_unit_test(a_database_that_lacks_a_migration_is_refused_by_daemons),
		cmocka_unit_test(a_broken_migration_leaves_nothing_and_can_be_repeated),
		cmocka_unit_test(of_many_at_once_each_migration_is_applied_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
