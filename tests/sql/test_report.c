/* SPDX-License-Identifier: Apache-2.0 */
/* Reports about mail that has left, in every order. */
#include "common/store/store_report.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_report"

static const char sql_rows[] =
	"TRUNCATE users, message_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode) VALUES"
	" ('bot@x.example', 'bot@x.example', 'x.example', 'u', 'local');"
	"INSERT INTO messages (id, user_id, agent_email, direction, expires_at) VALUES"
	" ('m', 'u', 'bot@x.example', 'outbound', now() + interval '1 day');"
	"INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part, status)"
	" VALUES ('m', 1, 'to', 'A@w.example', 'a@w.example', 'world', 'sent'),"
	" ('m', 2, 'to', 'b@w.example', 'b@w.example', 'world', 'sent'),"
	" ('m', 3, 'cc', 'c@x.example', 'c@x.example', 'agents', 'sent');"
	"INSERT INTO outbound_attempts (verp, message_id, job_id, part, host, over_at)"
	" VALUES ('bounce-1@x.example', 'm', 'j', 'world', 'h', now());";

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

#define assert_text(sql, want) fresh_assert_text(DATABASE, sql, want)

static size_t apply(const char *address, const char *status, const char *code, bool suppress)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	const struct store_report_rcpt r = { slice_str(address), status, slice_str(code), S("said"),
					     suppress };
	const struct store_report_attempt attempt = { .verp = S("bounce-1@x.example"),
						      .message_id = S("m") };
	struct fail fail = { 0 };
	size_t n;

	assert_ok(store_report_apply(db, &attempt, &r, 1, &n, &fail), &fail);
	return n;
}

static void an_attempt_is_found_with_its_own_recipients(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_report_attempt found;
	struct fail fail = { 0 };

	(void)state;
	assert_ok(store_report_find(db, S("bounce-1@x.example"), &a, &found, &fail), &fail);
	assert_slice(found.message_id, S("m"));
	assert_true(found.world);
	assert_int_equal(found.rcpts_n, 2);
	assert_slice(found.rcpts[0], S("A@w.example"));
	assert_int_equal(store_report_find(db, S("bounce-2@x.example"), &a, &found, &fail),
			 ERR_NOT_FOUND);
}

static void status_goes_forward_only(void **state)
{
	static const struct {
		const char *status;
		size_t moved;
		const char *want;
	} rows[] = {
		{ "deferred", 1, "deferred" },   { "deferred", 0, "deferred" },
		{ "delivered", 1, "delivered" }, { "deferred", 0, "delivered" },
		{ "bounced", 1, "bounced" },     { "delivered", 0, "bounced" },
		{ "bounced", 0, "bounced" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_row(i,
			   apply("A@w.example", rows[i].status, "1.2.3", false) == rows[i].moved);
		assert_text("SELECT status FROM outbound_recipients WHERE n = 1", rows[i].want);
	}
	assert_text("SELECT string_agg(outcome, ' ' ORDER BY id) FROM message_events",
		    "deferred delivered bounced");
	assert_text("SELECT string_agg(status, ' ' ORDER BY n) FROM outbound_recipients",
		    "bounced sent sent");
}

static void a_delay_is_told_once(void **state)
{
	(void)state;
	assert_int_equal(apply("b@w.example", "deferred", "4.2.0", false), 1);
	assert_int_equal(apply("b@w.example", "deferred", "4.4.1", false), 0);
	assert_text("SELECT status || ' ' || code FROM outbound_recipients WHERE n = 2",
		    "deferred 4.2.0");
	assert_text("SELECT count(*)::text FROM message_events", "1");
}

static void an_address_that_is_gone_is_suppressed_once(void **state)
{
	(void)state;
	assert_int_equal(apply("A@w.example", "bounced", "5.1.1", true), 1);
	assert_int_equal(apply("A@w.example", "bounced", "5.1.1", true), 0);
	assert_int_equal(apply("b@w.example", "bounced", "5.2.2", false), 1);
	assert_text("SELECT string_agg(user_id || ' ' || address || ' ' || code || ' ' || "
		    "message_id, ',') FROM suppressions",
		    "u a@w.example 5.1.1 m");
	assert_text("SELECT string_agg(reason, ',' ORDER BY id) FROM message_events",
		    "suppressed,");
}

static void nothing_is_told_of_addresses_that_did_not_get_the_mail(void **state)
{
	(void)state;
	assert_int_equal(apply("x@w.example", "bounced", "5.1.1", true), 0);
	assert_text("SELECT count(*)::text FROM suppressions", "0");
	assert_text("SELECT count(*)::text FROM message_events", "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_attempt_is_found_with_its_own_recipients, filled),
		cmocka_unit_test_setup(status_goes_forward_only, filled),
		cmocka_unit_test_setup(a_delay_is_told_once, filled),
		cmocka_unit_test_setup(an_address_that_is_gone_is_suppressed_once, filled),
		cmocka_unit_test_setup(nothing_is_told_of_addresses_that_did_not_get_the_mail,
				       filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
