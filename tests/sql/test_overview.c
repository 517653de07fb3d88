/* SPDX-License-Identifier: Apache-2.0 */
/* What an account sees at one look, and that it is true. */
#include "common/store/store_overview.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_overview"
#define HOUR_US 3600000000LL
#define USER S("u")

/* Two users. Of u: a cloud agent and a local one. `now` is always in the last bucket. */
static const char sql_rows[] =
	"TRUNCATE users, domains, message_events, apid_instances CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example'), ('v', 'v@v.example');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url, created_at)"
	" VALUES ('cloud@x.example', 'cloud@x.example', 'x.example', 'u', 'cloud',"
	" 'https://x.example/', now() - interval '2 days'),"
	" ('local@x.example', 'local@x.example', 'x.example', 'u', 'local', '', now()),"
	" ('other@x.example', 'other@x.example', 'x.example', 'v', 'local', '', now());";

#define MAIL(id, user, agent, direction, more_columns, more, at)                                   \
	"INSERT INTO messages (id, user_id, agent_email, direction, " more_columns                 \
	"created_at, expires_at) VALUES ('" id "', '" user "', '" agent "@x.example', '" direction \
	"', " more at ", now() + interval '9 days');"
#define IN(id, user, agent, at) MAIL(id, user, agent, "inbound", "inbox_status, ", "'unread', ", at)
#define OUT(id, user, agent, status, type, at)                                                     \
	MAIL(id, user, agent, "outbound", "status, type, ", "'" status "', '" type "', ", at)
#define EVENT(id, user, stage, outcome, at)                                                        \
	"INSERT INTO message_events (message_id, user_id, stage, outcome, at) VALUES ('" id        \
	"', '" user "', '" stage "', '" outcome "', " at ");"

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

/* As e2a-apid, after these statements of the owner's. */
static struct db *open_after(const char *sql)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

	fresh_script(owner, sql);
	return fresh_open(DATABASE, "e2a_apid");
}

static void find(struct db *db, struct arena *a, struct store_overview_agents *ret)
{
	const struct store_overview_page page = { .user_id = USER, .limit = 100 };
	struct fail fail = { 0 };

	assert_ok(store_overview_agents(db, &page, a, ret, &fail), &fail);
}

static void agents_come_newest_first_with_their_counts(void **state)
{
	AUTO(db_closep)
	struct db *db = open_after(
		IN("m1", "u", "cloud", "now()") IN("m2", "u", "cloud", "now()") IN(
			"m3", "u", "local",
			"now()") IN("m4", "v", "other",
				    "now()") OUT("m5", "u", "local", "sent", "send",
						 "now()") OUT("m6", "u", "local",
							      "pending_approval", "send", "now()")
			OUT("m7", "u", "cloud", "rejected", "send", "now()") OUT(
				"m8", "v", "other",
				"pending_approval",
				"send",
				"now()") "UPDATE messages SET inbox_status = 'read' WHERE id = 'm2';"
					 "UPDATE messages SET expires_at = now() - interval '1 s' WHERE id = 'm3'");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_overview_agents found;

	(void)state;
	find(db, &a, &found);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.total, 2);
	assert_int_equal(found.held, 1);
	assert_false(found.more);
	assert_slice(found.v[0].email, S("local@x.example"));
	assert_int_equal(found.v[0].unread, 0);
	assert_int_equal(found.v[0].held, 1);
	assert_true(found.v[0].sent_us > 0);
	assert_slice(found.v[0].webhook_state, S("none"));
	assert_slice(found.v[1].email, S("cloud@x.example"));
	assert_int_equal(found.v[1].unread, 1);
	assert_int_equal(found.v[1].held, 0);
	assert_true(found.v[1].received_us > 0);
	assert_int_equal(found.v[1].sent_us, 0);
	assert_slice(found.v[1].webhook_state, S("ok"));
}

static void an_endless_name_is_cut(void **state)
{
	AUTO(db_closep)
	struct db *db = open_after(
		"UPDATE agents SET name = repeat('\xc3\xa4', 30000) WHERE email = 'local@x.example'");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_overview_agents found;

	(void)state;
	find(db, &a, &found);
	assert_int_equal(found.v[0].name.n, 400);
}

static void a_page_goes_on_behind_the_last_agent(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_overview_page page = { .user_id = USER, .limit = 1 };
	struct store_overview_agents found;
	struct fail fail = { 0 };

	(void)state;
	assert_ok(store_overview_agents(db, &page, &a, &found, &fail), &fail);
	assert_true(found.more && found.n == 1 && found.total == 2);
	page.before_us = found.v[0].created_us;
	page.before_email = found.v[0].email;
	assert_ok(store_overview_agents(db, &page, &a, &found, &fail), &fail);
	assert_true(!found.more && found.n == 1);
	assert_slice(found.v[0].email, S("cloud@x.example"));
}

static void counts_stop_where_they_must(void **state)
{
	AUTO(db_closep)
	struct db *db = open_after(
		"INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, expires_at) "
		"SELECT 'c' || n, 'u', 'cloud@x.example', 'inbound', 'unread', "
		"now() + interval '1 day' FROM generate_series(1, 300) n;"
		"INSERT INTO webhook_jobs (message_id, user_id, agent_email, state, due_at) "
		"SELECT 'c' || n, 'u', 'cloud@x.example', CASE WHEN n > 50 THEN 'failed' "
		"ELSE 'pending' END, now() FROM generate_series(1, 300) n");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_overview_agents found;

	(void)state;
	find(db, &a, &found);
	assert_int_equal(found.v[1].unread, STORE_OVERVIEW_UNREAD_MAX + 1);
	assert_int_equal(found.v[1].webhook_pending, 50);
	assert_int_equal(found.v[1].webhook_failed, STORE_OVERVIEW_JOBS_MAX + 1);
}

static void the_webhook_fares_as_its_queue_says(void **state)
{
	static const struct {
		const char *set;
		const char *want;
	} rows[] = {
		{ "failures = 1, failing_since = now()", "failing" },
		{ "open_until = now()", "open" },
		{ "drain_after = ''", "draining" },
		{ "disabled_at = now(), open_until = now()", "disabled" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf sql = BUF_INIT(1024);
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(db_closep) struct db *db = NULL;
		struct store_overview_agents found;

		buf_addf(&sql,
			 "DELETE FROM webhook_queues; INSERT INTO webhook_queues (agent_email, "
			 "user_id) VALUES ('cloud@x.example', 'u'); UPDATE webhook_queues SET %s",
			 rows[i].set);
		db = open_after(buf_cstr(&sql));
		find(db, &a, &found);
		assert_slice(found.v[1].webhook_state, slice_str(rows[i].want));
	}
}

static void listeners_count_while_their_apid_is_there(void **state)
{
	AUTO(db_closep)
	struct db *db = open_after(
		"INSERT INTO apid_instances VALUES ('here', now()), ('there', now()), "
		"('gone', now() - interval '1 minute');"
		"INSERT INTO listeners VALUES ('local@x.example', 'here', 2, 1, 0), "
		"('local@x.example', 'there', 1, 0, 3), ('local@x.example', 'gone', 5, 5, 5), "
		"('cloud@x.example', 'gone', 1, 0, 0);"
		"INSERT INTO listened VALUES ('cloud@x.example', now() - interval '1 day', "
		"now() - interval '1 day')");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_overview_agents found;

	(void)state;
	find(db, &a, &found);
	assert_int_equal(found.v[0].sockets, 3);
	assert_int_equal(found.v[0].streams, 1);
	assert_int_equal(found.v[0].polls, 3);
	assert_int_equal(found.v[1].sockets, 0);
	/* as long as whoever held it was seen */
	assert_true(found.v[0].listened_us - found.v[1].listened_us >= 60 * 1000000LL);
	assert_true(found.v[0].listened_us - found.v[1].listened_us < 120 * 1000000LL);
}

static int64_t sum(const struct store_traffic *v, size_t n, size_t offset)
{
	int64_t ret = 0;

	for (size_t i = 0; i < n; i++)
		ret += *(const int64_t *)((const char *)&v[i] + offset);
	return ret;
}

#define SUM(v, field) sum(v, ARRAY_LEN(v), offsetof(struct store_traffic, field))

static void mail_is_counted_by_hour_and_by_day(void **state)
{
	AUTO(db_closep)
	struct db *db = open_after(
		IN("m1", "u", "cloud", "now()") IN("m2", "u", "local", "now()") IN(
			"m3", "u", "cloud", "now() - interval '3 hours'")
			IN("m4", "u", "cloud", "now() - interval '60 hours'") IN(
				"m5", "u", "cloud",
				"now() - interval '31 days'") IN("m6", "v", "other", "now()")
				OUT("m7", "u", "local", "sent", "send", "now()") OUT(
					"m8", "u", "local", "pending_approval", "send",
					"now()") OUT("m9", "u", "local", "expired_approved", "send",
						     "now() - interval '3 hours'")
					EVENT("m7", "u", "recipient", "failed",
					      "now()") EVENT("m7", "u", "recipient", "bounced",
							     "now() - interval '70 hours'")
						EVENT("m7", "u", "recipient", "delivered", "now()")
							EVENT("m6", "v", "recipient", "failed",
							      "now()"));
	struct store_overview_traffic t;
	struct fail fail = { 0 };

	(void)state;
	assert_ok(store_overview_traffic(db, USER, &t, &fail), &fail);
	assert_int_equal(t.since_us, 0);
	assert_int_equal(t.hours[47].received, 2);
	assert_int_equal(t.hours[44].received, 1);
	assert_int_equal(SUM(t.hours, received), 3);
	assert_int_equal(t.hours[47].sent, 1);
	assert_int_equal(t.hours[44].sent, 1);
	assert_int_equal(t.hours[47].undelivered, 1);
	assert_int_equal(SUM(t.hours, undelivered), 1);
	assert_int_equal(SUM(t.days, received), 4);
	assert_int_equal(SUM(t.days, sent), 2);
	assert_int_equal(SUM(t.days, undelivered), 2);
	assert_int_equal(t.hours[47].at_us % HOUR_US, 0);
	assert_int_equal(t.hours[47].at_us - t.hours[0].at_us, 47 * HOUR_US);
	assert_int_equal(t.days[29].at_us % (24 * HOUR_US), 0);
	assert_int_equal(t.days[29].at_us - t.days[0].at_us, 29 * 24 * HOUR_US);
}

static struct store_first_steps steps(struct db *db)
{
	struct store_first_steps s;
	struct fail fail = { 0 };

	assert_ok(store_overview_steps(db, USER, &s, &fail), &fail);
	return s;
}

static void a_step_is_made_when_it_is_recorded(void **state)
{
	AUTO(db_closep)
	struct db *db = open_after(
		IN("m6", "v", "other", "now()") EVENT("m6", "v", "webhook", "delivered", "now()")
			OUT("m7", "v", "other", "sent", "reply",
			    "now()") EVENT("m7", "v", "outbound", "taken",
					   "now()") OUT("m8", "u", "local", "sent", "send", "now()")
				EVENT("m8", "u", "outbound", "taken", "now()")
					OUT("m9", "u", "local", "sent", "reply", "now()")
						EVENT("m9", "u", "outbound", "accepted", "now()"));
	struct store_first_steps s = steps(db);

	(void)state;
	assert_true(s.agent_us > 0);
	assert_int_equal(s.received_us + s.delivered_us + s.listened_us + s.replied_us, 0);

	db_close(db);
	db = open_after(IN("m1", "u", "cloud", "now()")
				EVENT("m1", "u", "webhook", "attempt_failed", "now()"));
	s = steps(db);
	assert_true(s.received_us > 0);
	assert_int_equal(s.delivered_us, 0);

	db_close(db);
	db = open_after(EVENT("m1", "u", "webhook", "delivered", "now()") EVENT(
		"m9", "u", "outbound", "taken",
		"now()") "INSERT INTO listened VALUES ('local@x.example', now(), now())");
	s = steps(db);
	assert_true(s.delivered_us > 0 && s.replied_us > 0 && s.listened_us > 0);
}

static void a_step_stays_when_its_mail_is_gone(void **state)
{
	AUTO(db_closep)
	struct db *db = open_after(IN("m1", "u", "cloud", "now()")
					   EVENT("m1", "u", "webhook", "delivered", "now()"));
	struct store_first_steps before = steps(db), after;

	(void)state;
	db_close(db);
	db = open_after("DELETE FROM messages; DELETE FROM message_events;"
			"DELETE FROM agents WHERE agent_mode = 'cloud'");
	after = steps(db);
	assert_true(before.received_us > 0 && before.delivered_us > 0);
	assert_int_equal(after.received_us, before.received_us);
	assert_int_equal(after.delivered_us, before.delivered_us);
	assert_int_equal(after.replied_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(agents_come_newest_first_with_their_counts, filled),
		cmocka_unit_test_setup(an_endless_name_is_cut, filled),
		cmocka_unit_test_setup(a_page_goes_on_behind_the_last_agent, filled),
		cmocka_unit_test_setup(counts_stop_where_they_must, filled),
		cmocka_unit_test_setup(the_webhook_fares_as_its_queue_says, filled),
		cmocka_unit_test_setup(listeners_count_while_their_apid_is_there, filled),
		cmocka_unit_test_setup(mail_is_counted_by_hour_and_by_day, filled),
		cmocka_unit_test_setup(a_step_is_made_when_it_is_recorded, filled),
		cmocka_unit_test_setup(a_step_stays_when_its_mail_is_gone, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
