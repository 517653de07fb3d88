/* SPDX-License-Identifier: Apache-2.0 */
/* What e2a-apid writes of who listens. */
#include "common/store/store_presence.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_presence"
#define HERE S("here")
#define HOUR_MS (3600 * INT64_C(1000))

static const char sql_rows[] =
	"TRUNCATE users, domains, apid_instances CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode)"
	" SELECT n || '@x.example', n || '@x.example', 'x.example', 'u', 'local'"
	" FROM generate_series(1, 3) n;";

#define ROWS                                                                                       \
	"SELECT coalesce(string_agg(concat_ws('/', agent_email, instance, sockets, streams, "      \
	"polls), ' ' ORDER BY agent_email, instance), '') FROM listeners"
#define LISTENED                                                                                   \
	"SELECT coalesce(string_agg(agent_email, ' ' ORDER BY agent_email), '') FROM listened"

#define assert_text(sql, want) fresh_assert_text(DATABASE, sql, want)

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	return 0;
}

static int filled(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, sql_rows);
	return 0;
}

static void as_owner(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

static void add(struct store_presence *p, const char *agent, int64_t sockets, int64_t polls)
{
	p->agents[p->n] = slice_str(agent);
	p->sockets[p->n] = sockets;
	p->polls[p->n++] = polls;
}

static struct store_presence_found flush(struct slice instance, const struct store_presence *p)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct store_presence_found found;
	struct fail fail = { 0 };

	assert_ok(store_presence_flush(db, instance, p, &found, &fail), &fail);
	return found;
}

static void expire(struct slice leaving)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct fail fail = { 0 };

	assert_ok(store_presence_expire(db, leaving, HOUR_MS, &fail), &fail);
}

static void counts_are_written_changed_and_removed(void **state)
{
	struct store_presence first = { 0 }, second = { 0 };

	(void)state;
	add(&first, "1@x.example", 2, 0);
	add(&first, "2@x.example", 0, 1);
	add(&first, "3@x.example", 0, 0); /* came and went meanwhile */
	flush(HERE, &first);
	flush(S("there"), &first);
	assert_text(ROWS, "1@x.example/here/2/0/0 1@x.example/there/2/0/0 2@x.example/here/0/0/1 "
			  "2@x.example/there/0/0/1");
	assert_text(LISTENED, "1@x.example 2@x.example 3@x.example");
	add(&second, "1@x.example", 1, 0);
	add(&second, "2@x.example", 0, 0);
	flush(HERE, &second);
	assert_text(ROWS, "1@x.example/here/1/0/0 1@x.example/there/2/0/0 2@x.example/there/0/0/1");
}

static void whoever_is_not_known_is_told_so(void **state)
{
	const struct store_presence none = { 0 };

	(void)state;
	assert_true(flush(HERE, &none).fresh);
	assert_false(flush(HERE, &none).fresh);
	as_owner("DELETE FROM apid_instances");
	assert_true(flush(HERE, &none).fresh);
}

static void an_agent_that_is_deleted_is_not_waited_for(void **state)
{
	AUTO(db_closep) struct db *other = fresh_open(DATABASE, NULL);
	struct store_presence p = { 0 };

	(void)state;
	add(&p, "1@x.example", 1, 0);
	add(&p, "2@x.example", 1, 0);
	fresh_script(other, "BEGIN; DELETE FROM agents WHERE email = '1@x.example'");
	assert_true(flush(HERE, &p).again);
	assert_text(ROWS, "2@x.example/here/1/0/0");
	fresh_script(other, "COMMIT");
	assert_false(flush(HERE, &p).again);
	assert_text(ROWS, "2@x.example/here/1/0/0");
	as_owner("DELETE FROM agents");
	assert_text(ROWS, "");
	assert_text(LISTENED, "");
}

static void who_leaves_and_who_died_is_removed(void **state)
{
	struct store_presence p = { 0 };

	(void)state;
	add(&p, "1@x.example", 1, 0);
	flush(HERE, &p);
	flush(S("dead"), &p);
	flush(S("asleep"), &p);
	as_owner(
		"UPDATE listened SET last_at = now() - interval '1 day';"
		"UPDATE apid_instances SET seen_at = now() - interval '2 hours' WHERE id = 'dead';"
		"UPDATE apid_instances SET seen_at = now() - interval '1 minute' WHERE id = 'asleep'");
	expire(S(""));
	assert_text(ROWS, "1@x.example/asleep/1/0/0 1@x.example/here/1/0/0");
	assert_text("SELECT date_trunc('minute', now() - last_at)::text FROM listened", "02:00:00");
	expire(HERE);
	assert_text(ROWS, "1@x.example/asleep/1/0/0");
	assert_text("SELECT date_trunc('minute', now() - last_at)::text FROM listened", "00:00:00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(counts_are_written_changed_and_removed, filled),
		cmocka_unit_test_setup(whoever_is_not_known_is_told_so, filled),
		cmocka_unit_test_setup(an_agent_that_is_deleted_is_not_waited_for, filled),
		cmocka_unit_test_setup(who_leaves_and_who_died_is_removed, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
