/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of mail from agents: who gets in (submit_outbound() as e2a_apid), who is
 * claimed and in which order, and what ends leave behind (as e2a_deliverd).
 */
#include "common/store/store_outbound.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_outbound"

static const char sql_rows[] =
	"TRUNCATE users, domains, message_events, rate_counters CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example'), ('v', 'v@v.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token) VALUES"
	" ('d', 'x.example', 'u', true, ''), ('e', 'y.example', 'v', true, ''),"
	" ('f', 'z.example', 'v', false, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_enabled) VALUES"
	" ('bot@x.example', 'bot@x.example', 'x.example', 'u', 'local', false),"
	" ('shy@x.example', 'shy@x.example', 'x.example', 'u', 'local', true),"
	" ('bot@y.example', 'bot@y.example', 'y.example', 'v', 'local', false),"
	" ('bot@z.example', 'bot@z.example', 'z.example', 'v', 'local', false);";

/* $1 number, $2 user, $3 agent, $4 thread */
#define SUBMIT                                                                                      \
	"SELECT * FROM submit_outbound('msg_' || lpad($1, 32, '0'), $2, $3, 'send', $3, '<' || $1 " \
	"|| '@x.example>', 'S', 'T', '', '{a@w.example,bot@y.example}', '{}', "                     \
	"'{Hid@w.example}', '{a@w.example,bot@y.example,hid@w.example}', 'c', '', '{}', '', 0, "    \
	"$4, 2, 3600000, 1000000, 1000000, true)"

static const struct db_stmt submit_stmt = { "test_submit", SUBMIT, true };

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

/* "sent", "pending_approval reason", or "" for nothing. */
static void submit(const char *number, const char *user, const char *agent, const char *thread,
		   const char *want)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(buf_release) struct buf got = BUF_INIT(100);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct db_args args = DB_ARGS_INIT;
	struct fail fail = { 0 };

	db_arg_text(&args, slice_str(number));
	db_arg_text(&args, slice_str(user));
	db_arg_text(&args, slice_str(agent));
	db_arg_text(&args, slice_str(thread));
	assert_ok(db_query(db, &submit_stmt, &args, &r, &fail), &fail);
	if (db_rows_count(r)) {
		buf_add_slice(&got, db_slice(r, 0, 0));
		if (db_slice(r, 0, 1).n)
			buf_addf(&got, " %.*s", SLICE_ARGS(db_slice(r, 0, 1)));
	}
	assert_string_equal(buf_cstr(&got), want);
}

static void an_agent_row_decides_between_sending_and_holding(void **state)
{
	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	submit("2", "u", "shy@x.example", "", "pending_approval hitl");
	submit("3", "u", "bot@y.example", "", ""); /* somebody else's */
	submit("4", "v", "bot@z.example", "", ""); /* of a domain that nobody has proved */
	assert_text("SELECT string_agg(id, ' ' ORDER BY id) FROM outbound_jobs",
		    "job_00000000000000000000000000000001_agents "
		    "job_00000000000000000000000000000001_world");
	assert_text("SELECT string_agg(kind || ':' || address || ':' || part, ' ' ORDER BY n) "
		    "FROM outbound_recipients WHERE message_id LIKE '%1'",
		    "to:a@w.example:world to:bot@y.example:agents bcc:Hid@w.example:world");
	assert_text("SELECT string_agg(outcome || ':' || reason, ' ' ORDER BY id) "
		    "FROM message_events",
		    "accepted: held:hitl");
	assert_text("SELECT count(*)::text FROM usage_events", "1");
}

static void a_thread_that_goes_on_too_long_is_held(void **state)
{
	(void)state;
	submit("1", "u", "bot@x.example", "t", "sent");
	submit("2", "u", "bot@x.example", "t", "sent");
	submit("3", "u", "bot@x.example", "t", "pending_approval reply_budget");
	submit("4", "u", "bot@x.example", "other", "sent");
	submit("5", "u", "bot@x.example", "", "sent");
}

static void a_peer_that_calls_each_mail_a_new_thread_is_held_too(void **state)
{
	char number[8], thread[8];

	(void)state;
	for (int i = 1; i <= 7; i++) {
		snprintf(number, sizeof(number), "%d", i);
		snprintf(thread, sizeof(thread), "t%d", i);
		submit(number, "u", "bot@x.example", thread,
		       i <= 6 ? "sent" : "pending_approval reply_budget");
	}
}

static void mail_to_somebody_who_has_just_written_counts_as_an_answer(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	char number[8];

	(void)state;
	for (int i = 1; i <= 8; i++) {
		snprintf(number, sizeof(number), "%d", i);
		submit(number, "u", "bot@x.example", "", "sent");
	}
	fresh_script(owner,
		     "INSERT INTO messages (id, user_id, agent_email, direction, header_from,"
		     " expires_at) VALUES ('in', 'u', 'bot@x.example', 'inbound',"
		     " 'A@w.example', now())");
	for (int i = 11; i <= 17; i++) {
		snprintf(number, sizeof(number), "%d", i);
		submit(number, "u", "bot@x.example", "",
		       i <= 16 ? "sent" : "pending_approval reply_budget");
	}
}

static void refused(const char *sql)
{
	const struct db_stmt stmt = { "t_refused", sql, true };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct fail fail = { 0 };

	if (db_query(db, &stmt, NULL, NULL, &fail) == OK)
		fail_msg("e2a_apid may: %s", sql);
	if (!strstr(fail.what, "permission denied") && !strstr(fail.what, "of this transaction"))
		fail_msg("%s: %s", sql, fail.what);
}

static void the_role_of_apid_has_no_way_past_a_hold(void **state)
{
	static const char *const ways[] = {
		"INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, "
		"give_up_at) SELECT 'j', id, 'u', 'shy@x.example', 'world', 1, now() FROM messages",
		"UPDATE outbound_jobs SET state = 'pending'",
		"UPDATE messages SET status = 'sent'",
		"INSERT INTO messages (id, user_id, agent_email, direction, expires_at) "
		"VALUES ('m', 'u', 'shy@x.example', 'outbound', now())",
		"UPDATE agents SET hitl_enabled = false",
		"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_ttl_seconds) "
		"VALUES ('n@x.example', 'n@x.example', 'x.example', 'u', 'local', 1)",
		"UPDATE outbound_drafts SET body_text = 'other'",
		"INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part) "
		"SELECT id, 9, 'to', 'm@w.example', 'm@w.example', 'world' FROM messages",
		"UPDATE outbound_recipients SET address = 'm@w.example'",
		"SELECT attach_outbound(id, 1, 'f', 't', '') FROM messages",
		"WITH touched AS (UPDATE messages SET inbox_status = 'read' RETURNING id) "
		"SELECT attach_outbound(id, 1, 'f', 't', '') FROM touched",
		"INSERT INTO outbound_attempts (verp, message_id, job_id, part, host, over_at) "
		"SELECT 'v', id, 'j', 'world', 'h', now() FROM messages",
		"SELECT sealed FROM dkim_keys",
		"SELECT within_reply_budget('a', '{}', 't', 1, '1 h')",
	};

	(void)state;
	submit("1", "u", "shy@x.example", "", "pending_approval hitl");
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		refused(ways[i]);
	assert_text("SELECT set_hitl('u', 'shy@x.example', 'no key', '', false, 1, 'reject')::text",
		    "false");
	assert_text("SELECT count(*)::text FROM outbound_jobs", "0");
}

static void nobody_writes_in_the_name_of_another_agent(void **state)
{
	static const struct {
		const char *kind, *author, *to;
		bool may;
	} rows[] = {
		{ "send", "Bot@x.example", "a@w.example", true },
		{ "send", "shy@x.example", "a@w.example", false },
		{ "reply", "bot@y.example", "a@w.example", false },
		{ "send", "noreply@x.example", "a@w.example", false },
		{ "test", "noreply@x.example", "bot@x.example", true },
		{ "test", "noreply@x.example", "a@w.example", false },
		{ "test", "shy@x.example", "bot@x.example", false },
		{ "test", "noreply@y.example", "bot@x.example",
		  false }, /* there is such an agent */
	};
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(owner, "UPDATE agents SET email = 'noreply@y.example', address = "
			    "'noreply@y.example' WHERE email = 'bot@y.example'");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
		AUTO(buf_release) struct buf sql = BUF_INIT(2000);
		struct db_stmt stmt = { "t_author", NULL, true };
		struct fail fail = { 0 };

		buf_addf(&sql,
			 "SELECT * FROM submit_outbound('msg_' || lpad('%zu', 32, '0'), 'u', "
			 "'bot@x.example', '%s', '%s', '<1@x>', 'S', 'T', '', '{%s}', '{}', '{}', "
			 "'{%s}', '', '', '{}', '', 0, '', 2, 1000, 1000, 1000, false)",
			 i + 1, rows[i].kind, rows[i].author, rows[i].to, rows[i].to);
		stmt.sql = buf_cstr(&sql);
		assert_row(i, (db_query(db, &stmt, NULL, NULL, &fail) == OK) == rows[i].may);
	}
}

/* ---- the worker's side ---- */

struct claimed {
	const char *after_user;
	struct db *db;
	struct arena a;
	struct db_rows *rows;
	struct store_outbound_job *v;
	size_t n;
};

static enum err claim_tx(struct db *db, void *arg, struct fail *fail)
{
	struct claimed *c = arg;
	const struct store_outbound_claim claim = {
		.lease_id = S("lease"),
		.lease_ms = 60000,
		.limit = 3,
		.max_bytes = 1000000,
		.after_user = slice_str(c->after_user),
	};
	struct slice verps[STORE_OUTBOUND_BATCH_MAX];
	enum err e = store_outbound_claim(db, &claim, &c->a, &c->v, &c->n, &c->rows, fail);

	for (size_t i = 0; e == OK && i < c->n; i++)
		verps[i] = slice_str(arena_printf(&c->a, "bounce-%.*s-%lld@x.example",
						  SLICE_ARGS(c->v[i].id),
						  (long long)c->v[i].attempts));
	return e ? e : store_outbound_attempt(db, c->v, c->n, verps, S("here"), 60000, fail);
}

static void claim_behind(struct claimed *c, const char *user)
{
	struct fail fail = { 0 };

	*c = (struct claimed){ .after_user = user, .db = fresh_open(DATABASE, "e2a_deliverd") };
	assert_ok(db_tx(c->db, claim_tx, c, &fail), &fail);
}

static void claim(struct claimed *c)
{
	claim_behind(c, "");
}

static void claimed_release(struct claimed *c)
{
	db_rows_free(c->rows);
	arena_release(&c->a);
	db_close(c->db);
}

static size_t finish(struct claimed *c, enum store_outbound_outcome outcome, const char *status)
{
	struct store_outbound_result v[STORE_OUTBOUND_BATCH_MAX];
	struct store_outbound_rcpt rcpts[STORE_OUTBOUND_BATCH_MAX];
	size_t ours = 0, rcpts_n = 0;
	struct fail fail = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		v[i] = (struct store_outbound_result){ c->v[i].id, S("lease"), outcome, 5000,
						       EVENT_NO_REASON };
		for (size_t k = 0; status && k < c->v[i].rcpts_n; k++)
			rcpts[rcpts_n++] =
				(struct store_outbound_rcpt){ c->v[i].id, c->v[i].rcpts[k], status,
							      S("2.1.5"), S("Ok") };
	}
	assert_ok(store_outbound_finish(c->db, v, c->n, rcpts, rcpts_n, &ours, &fail), &fail);
	return ours;
}

static void a_claimed_job_has_all_that_its_mail_is_made_of(void **state)
{
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	claim(&c);
	assert_int_equal(c.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct store_outbound_job *j = &c.v[i];

		assert_slice(j->agent_email, S("bot@x.example"));
		assert_slice(j->domain, S("x.example"));
		assert_slice(j->subject, S("S"));
		assert_slice(j->text, S("T"));
		assert_slice(j->conversation_id, S("c"));
		assert_slice(j->email_message_id, S("<1@x.example>"));
		assert_int_equal(j->attempts, 1);
		assert_false(j->expired);
		assert_int_equal(j->to_n, 2);
		assert_int_equal(j->rcpts_n, j->world ? 2 : 1);
		assert_slice(j->rcpts[0], j->world ? S("a@w.example") : S("bot@y.example"));
		assert_int_equal(j->attachments_n, 0);
	}
	assert_text("SELECT count(*)::text FROM outbound_attempts WHERE host = 'here'", "2");
	assert_int_equal(finish(&c, STORE_OUTBOUND_TAKEN, "sent"), 2);
	assert_text("SELECT string_agg(status || ':' || code, ' ') FROM outbound_recipients",
		    "sent:2.1.5 sent:2.1.5 sent:2.1.5");
	assert_text("SELECT count(*)::text FROM outbound_jobs", "0");
	assert_text("SELECT count(*)::text FROM outbound_drafts", "0");
}

static void users_are_served_in_turn(void **state)
{
	AUTO(claimed_release) struct claimed c = { 0 };
	size_t of_v = 0;

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	submit("2", "u", "bot@x.example", "", "sent");
	submit("3", "u", "bot@x.example", "", "sent");
	submit("4", "v", "bot@y.example", "", "sent");
	claim(&c);
	assert_int_equal(c.n, 3);
	for (size_t i = 0; i < c.n; i++)
		of_v += slice_eq(c.v[i].user_id, S("v"));
	assert_int_equal(of_v, 1);
}

static void the_next_turn_begins_behind_the_last_user(void **state)
{
	AUTO(claimed_release) struct claimed c = { 0 };
	AUTO(claimed_release) struct claimed none = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	submit("4", "v", "bot@y.example", "", "sent");
	claim_behind(&c, "u");
	assert_int_equal(c.n, 2);
	assert_slice(c.v[0].user_id, S("v"));
	claim_behind(&none, "v");
	assert_int_equal(none.n, 0);
}

static const char sql_backlog[] =
	"INSERT INTO messages (id, user_id, agent_email, direction, expires_at)"
	" SELECT 'msg_' || n, 'u', 'bot@x.example', 'outbound', now() + interval '1 day'"
	" FROM generate_series(1, 10000) n;"
	"INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, give_up_at)"
	" SELECT 'job_' || n, 'msg_' || n, 'u', 'bot@x.example', 'world', 1000, now() +"
	" interval '1 day' FROM generate_series(1, 10000) n;";

/* Whatever the planner was told of the queue last: that all jobs are due, or none. */
static void a_claim_goes_through_no_backlog(void **state)
{
	static const struct db_stmt explain = {
		"t_explain", "EXPLAIN EXECUTE outbound_claim('l', 0, 8, 1000, true, '')", false
	};
	static const char *const told[] = {
		"ANALYZE",
		"UPDATE outbound_jobs SET due_at = now() + interval '1 h'; ANALYZE",
		"UPDATE outbound_jobs SET state = 'unknown'; ANALYZE",
	};
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(owner, sql_backlog);
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		AUTO(db_closep) struct db *db = NULL;
		AUTO(db_rows_freep) struct db_rows *r = NULL;
		struct fail fail = { 0 };

		fresh_script(owner, told[i]);
		db = fresh_open(DATABASE, "e2a_deliverd");
		assert_ok(db_prepare(db, &store_outbound_stmts[0], &fail), &fail);
		assert_ok(db_query(db, &explain, NULL, &r, &fail), &fail);
		for (size_t k = 0; k < db_rows_count(r); k++) {
			struct slice line = db_slice(r, k, 0);

			/* only from a user's place on */
			assert_true(slice_search(line, S("Seq Scan on outbound_jobs")) < 0);
			assert_true(slice_search(line, S("Index Cond: (due_at")) < 0);
			assert_true(slice_search(line, S("Index Cond: (state")) < 0);
		}
	}
}

static void jobs_that_another_worker_is_claiming_are_passed_over(void **state)
{
	AUTO(db_closep) struct db *other = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	submit("2", "u", "bot@x.example", "", "sent");
	submit("3", "u", "bot@x.example", "", "sent");
	fresh_script(other, "BEGIN; SELECT FROM outbound_jobs WHERE due_at <= (SELECT due_at "
			    "FROM outbound_jobs ORDER BY due_at OFFSET 2 LIMIT 1) FOR UPDATE");
	claim(&c);
	assert_int_equal(c.n, 3);
}

static void a_job_that_is_claimed_is_nobody_elses(void **state)
{
	AUTO(claimed_release) struct claimed first = { 0 };
	AUTO(claimed_release) struct claimed second = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	claim(&first);
	claim(&second);
	assert_int_equal(first.n, 2);
	assert_int_equal(second.n, 0);
}

static void an_attempt_that_comes_back_late_changes_nothing(void **state)
{
	AUTO(claimed_release) struct claimed c = { 0 };
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	claim(&c);
	fresh_script(owner, "UPDATE outbound_jobs SET lease_id = 'another'");
	assert_int_equal(finish(&c, STORE_OUTBOUND_TAKEN, "sent"), 0);
	assert_text("SELECT string_agg(DISTINCT status, ' ') FROM outbound_recipients", "queued");
	assert_text("SELECT count(*)::text FROM outbound_jobs", "2");
	assert_text("SELECT count(*)::text FROM outbound_drafts", "1");
}

static void ends_leave_what_is_still_needed(void **state)
{
	static const struct {
		enum store_outbound_outcome outcome;
		const char *job;
		const char *drafts;
	} rows[] = {
		{ STORE_OUTBOUND_TAKEN, "", "0" },
		{ STORE_OUTBOUND_REFUSED, "", "0" },
		{ STORE_OUTBOUND_LATER, "pending:1:5", "1" },
		{ STORE_OUTBOUND_SNOOZED, "pending:0:5", "1" },
		{ STORE_OUTBOUND_LOST, "injecting:1:5", "1" },
		{ STORE_OUTBOUND_UNKNOWN, "unknown:1:5", "1" },
		{ STORE_OUTBOUND_FAILED, "failed:1:5", "1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(claimed_release) struct claimed c = { 0 };

		filled(NULL);
		submit("1", "u", "bot@x.example", "", "sent");
		claim(&c);
		assert_int_equal(finish(&c, rows[i].outcome, NULL), 2);
		assert_text("SELECT coalesce(min(state || ':' || attempts || ':' || "
			    "round(extract(epoch FROM due_at - now()))), '') FROM outbound_jobs",
			    rows[i].job);
		assert_text("SELECT count(*)::text FROM outbound_drafts", rows[i].drafts);
	}
}

/* ---- what was approved ---- */

#define HELD "msg_00000000000000000000000000000001"

/* A mail with an attachment was held, and somebody approved it. */
static void submit_approved(void)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

	submit("1", "u", "shy@x.example", "", "pending_approval hitl");
	fresh_script(owner, "INSERT INTO outbound_attachments (message_id, n, filename, "
			    "content_type, data) VALUES ('" HELD "', 0, 'f', 'text/plain', 'x')");
	fresh_script(owner, "SELECT release_hold('" HELD "', 'sent', 'api', 'k', 1000000, false)");
}

static void mail_that_nobody_held_is_not_compared(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	fresh_script(owner, "UPDATE outbound_drafts SET body_text = 'other'");
	claim(&c);
	assert_int_equal(c.n, 2);
	for (size_t i = 0; i < c.n; i++)
		assert_false(c.v[i].held || c.v[i].altered || c.v[i].composed);
}

static void mail_that_is_approved_is_known_as_such(void **state)
{
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit_approved();
	claim(&c);
	assert_int_equal(c.n, 2);
	for (size_t i = 0; i < c.n; i++) {
		assert_true(c.v[i].held);
		assert_false(c.v[i].altered || c.v[i].composed);
		assert_slice(c.v[i].text, S("T"));
		assert_int_equal(c.v[i].attachments_n, 1);
	}
	assert_text("SELECT (decided_at > created_at)::text FROM messages", "true");
	finish(&c, STORE_OUTBOUND_TAKEN, "sent");
	assert_text("SELECT (SELECT count(*) FROM outbound_drafts) + (SELECT count(*) FROM "
		    "outbound_attachments) || ''",
		    "0");
}

static void mail_is_dated_when_it_was_approved(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit_approved();
	fresh_script(owner, "UPDATE messages SET decided_at = '1970-01-02T00:00:00Z'");
	claim(&c);
	assert_int_equal(c.v[0].date_us, INT64_C(86400000000));
}

static void whatever_differs_from_what_was_approved_is_noticed(void **state)
{
	static const char *const changes[] = {
		"UPDATE outbound_drafts SET body_text = 'other'",
		"UPDATE outbound_drafts SET body_html = 'other'",
		"UPDATE outbound_drafts SET reference_ids = '{<o@o>}'",
		"DELETE FROM outbound_drafts",
		"UPDATE outbound_attachments SET data = 'y'",
		"UPDATE outbound_attachments SET filename = 'g'",
		"UPDATE outbound_attachments SET content_type = 'text/html'",
		"DELETE FROM outbound_attachments",
		"INSERT INTO outbound_attachments VALUES ('" HELD "', 1, 'g', 'text/plain', 'x')",
		"UPDATE outbound_recipients SET address = 'm@w.example' WHERE n = 1",
		"UPDATE outbound_recipients SET folded = 'm@w.example' WHERE n = 1",
		"DELETE FROM outbound_recipients WHERE n = 1",
		"INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part)"
		" VALUES ('" HELD "', 9, 'bcc', 'm@w.example', 'm@w.example', 'world')",
		"UPDATE messages SET to_addresses = '{m@w.example}'",
		"UPDATE messages SET cc_addresses = '{m@w.example}'",
		"UPDATE messages SET bcc_addresses = '{m@w.example}'",
		"UPDATE messages SET subject = 'other'",
		"UPDATE messages SET header_from = 'bot@x.example'",
		"UPDATE messages SET email_message_id = '<o@o>'",
		"UPDATE messages SET in_reply_to = '<o@o>'",
		"UPDATE messages SET conversation_id = 'other'",
		"UPDATE messages SET auto_submitted = 'auto-replied'",
		"UPDATE messages SET type = 'test'",
		"UPDATE messages SET approved_hash = sha256('other')",
		"UPDATE messages SET approved_hash = NULL",
		"UPDATE messages SET status = 'pending_approval'",
		"UPDATE messages SET status = 'rejected'",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
		AUTO(claimed_release) struct claimed c = { 0 };

		filled(NULL);
		submit_approved();
		fresh_script(owner, changes[i]);
		claim(&c);
		assert_row(i, c.n == 2 && c.v[0].held && c.v[0].altered && c.v[1].altered);
	}
}

static void mail_without_a_draft_is_noticed_too(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	fresh_script(owner, "DELETE FROM outbound_drafts");
	claim(&c);
	assert_int_equal(c.n, 2);
	assert_true(c.v[0].altered && c.v[1].altered && !c.v[0].held);
}

static bool keep(struct claimed *c, size_t i, const char *lease, struct slice mail)
{
	struct fail fail = { 0 };
	bool ours = false;

	assert_ok(store_outbound_keep(c->db, c->v[i].id, slice_str(lease), S("hash"), mail, &ours,
				      &fail),
		  &fail);
	return ours;
}

static void what_was_composed_is_kept_for_every_attempt(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed first = { 0 };
	AUTO(claimed_release) struct claimed second = { 0 };
	AUTO(claimed_release) struct claimed third = { 0 };

	(void)state;
	submit_approved();
	claim(&first);
	assert_true(keep(&first, 0, "lease", S("a\0mail")));
	assert_text("SELECT string_agg(outcome || ':' || (detail->>'sha256'), ' ') "
		    "FROM message_events WHERE outcome = 'composed'",
		    "composed:68617368");
	assert_text("SELECT size::text FROM outbound_jobs j JOIN outbound_mails b "
		    "ON b.job_id = j.id",
		    "6");
	finish(&first, STORE_OUTBOUND_LATER, NULL);
	fresh_script(owner, "UPDATE outbound_jobs SET due_at = now()");
	claim(&second);
	assert_int_equal(second.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct store_outbound_job *j = &second.v[i];
		bool kept = slice_eq(j->id, first.v[0].id);

		assert_true(j->held && !j->altered && j->composed == kept);
		assert_slice(j->mail, kept ? S("a\0mail") : S(""));
		assert_slice(j->hash, kept ? S("hash") : S(""));
		assert_slice(j->text, kept ? S("") : S("T"));
		assert_int_equal(j->attachments_n, kept ? 0 : 1);
	}
	finish(&second, STORE_OUTBOUND_LATER, NULL);
	fresh_script(owner, "UPDATE outbound_jobs SET due_at = now();"
			    "UPDATE outbound_drafts SET body_text = 'other'");
	claim(&third);
	assert_true(third.n == 2 && third.v[0].altered && third.v[1].altered);
	finish(&third, STORE_OUTBOUND_TAKEN, "sent");
	assert_text("SELECT count(*)::text FROM outbound_mails", "0");
}

static void who_lost_the_lease_keeps_nothing(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit_approved();
	claim(&c);
	assert_false(keep(&c, 0, "another", S("mail")));
	fresh_script(owner, "UPDATE outbound_jobs SET state = 'pending'");
	assert_false(keep(&c, 0, "lease", S("mail")));
	assert_text("SELECT (SELECT count(*) FROM outbound_mails) + (SELECT count(*) FROM "
		    "message_events WHERE outcome = 'composed') || ''",
		    "0");
}

static void the_second_composition_is_refused(void **state)
{
	AUTO(claimed_release) struct claimed c = { 0 };
	struct fail fail = { 0 };
	bool ours;

	(void)state;
	submit_approved();
	claim(&c);
	assert_true(keep(&c, 0, "lease", S("mail")));
	assert_int_equal(
		store_outbound_keep(c.db, c.v[0].id, S("lease"), S("h"), S("other"), &ours, &fail),
		ERR_CONFLICT);
	assert_text("SELECT convert_from(mail, 'UTF8') FROM outbound_mails", "mail");
}

/* ---- recipients ---- */

static void a_suppressed_recipient_fails_before_anything_is_sent(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	fresh_script(owner, "INSERT INTO suppressions (user_id, address, reason) VALUES"
			    " ('u', 'hid@w.example', 'bounce'), ('v', 'a@w.example', 'bounce'),"
			    " ('u', 'bot@y.example', 'bounce')");
	claim(&c);
	assert_int_equal(c.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(c.v[i].rcpts_n, c.v[i].world ? 1 : 0);
	assert_text("SELECT string_agg(status || ':' || detail, ' ' ORDER BY n) "
		    "FROM outbound_recipients",
		    "queued: failed:suppressed failed:suppressed");
	assert_text("SELECT count(*)::text FROM message_events WHERE reason = 'suppressed'", "2");
}

static void status_never_goes_back(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed c = { 0 };

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	claim(&c);
	fresh_script(owner, "UPDATE outbound_recipients SET status = 'delivered' WHERE n = 1");
	finish(&c, STORE_OUTBOUND_TAKEN, "sent");
	assert_text("SELECT string_agg(status, ' ' ORDER BY n) FROM outbound_recipients",
		    "delivered sent sent");
}

static size_t trace(const char *host, bool *ret_foreign)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct store_outbound_trace t = { S("tracer"), 60000, slice_str(host), 3600000, 10 };
	struct store_outbound_lost *v;
	struct fail fail = { 0 };
	size_t n;

	assert_ok(store_outbound_trace(db, &t, &a, &v, &n, &fail), &fail);
	if (n) {
		assert_true(slice_starts(v[0].verp, S("bounce-job_")));
		assert_true(v[0].rcpts_n > 0);
		*ret_foreign = v[0].foreign;
	}
	return n;
}

static void an_attempt_without_an_end_is_traced_where_it_was_made(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(claimed_release) struct claimed c = { 0 };
	bool foreign = false;

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	claim(&c);
	assert_int_equal(trace("here", &foreign), 0); /* it is under way */
	fresh_script(owner, "UPDATE outbound_jobs SET lease_until = now() - interval '1 min'");
	assert_int_equal(trace("elsewhere", &foreign), 0);
	assert_int_equal(trace("here", &foreign), 2);
	assert_false(foreign);
	assert_int_equal(trace("here", &foreign), 0);
	assert_text("SELECT count(*)::text FROM outbound_attempts WHERE over_at > now() + "
		    "interval '30 s'",
		    "2");
	fresh_script(owner, "UPDATE outbound_jobs SET lease_until = now() - interval '1 day'");
	assert_int_equal(trace("elsewhere", &foreign), 2);
	assert_true(foreign);
}

static void mail_that_goes_with_its_agent_is_told_of(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

	(void)state;
	submit("1", "u", "bot@x.example", "", "sent");
	fresh_script(owner, "DELETE FROM agents WHERE email = 'bot@x.example'");
	assert_text("SELECT string_agg(outcome || ':' || reason, ' ' ORDER BY id) "
		    "FROM message_events",
		    "accepted: failed:message_deleted failed:message_deleted");
	assert_text("SELECT count(*)::text FROM outbound_jobs", "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_agent_row_decides_between_sending_and_holding, filled),
		cmocka_unit_test_setup(a_thread_that_goes_on_too_long_is_held, filled),
		cmocka_unit_test_setup(a_peer_that_calls_each_mail_a_new_thread_is_held_too,
				       filled),
		cmocka_unit_test_setup(mail_to_somebody_who_has_just_written_counts_as_an_answer,
				       filled),
		cmocka_unit_test_setup(the_role_of_apid_has_no_way_past_a_hold, filled),
		cmocka_unit_test_setup(nobody_writes_in_the_name_of_another_agent, filled),
		cmocka_unit_test_setup(a_claimed_job_has_all_that_its_mail_is_made_of, filled),
		cmocka_unit_test_setup(users_are_served_in_turn, filled),
		cmocka_unit_test_setup(the_next_turn_begins_behind_the_last_user, filled),
		cmocka_unit_test_setup(a_claim_goes_through_no_backlog, filled),
		cmocka_unit_test_setup(jobs_that_another_worker_is_claiming_are_passed_over,
				       filled),
		cmocka_unit_test_setup(a_job_that_is_claimed_is_nobody_elses, filled),
		cmocka_unit_test_setup(an_attempt_that_comes_back_late_changes_nothing, filled),
		cmocka_unit_test_setup(ends_leave_what_is_still_needed, filled),
		cmocka_unit_test_setup(mail_that_nobody_held_is_not_compared, filled),
		cmocka_unit_test_setup(mail_that_is_approved_is_known_as_such, filled),
		cmocka_unit_test_setup(mail_is_dated_when_it_was_approved, filled),
		cmocka_unit_test_setup(whatever_differs_from_what_was_approved_is_noticed, filled),
		cmocka_unit_test_setup(mail_without_a_draft_is_noticed_too, filled),
		cmocka_unit_test_setup(what_was_composed_is_kept_for_every_attempt, filled),
		cmocka_unit_test_setup(who_lost_the_lease_keeps_nothing, filled),
		cmocka_unit_test_setup(the_second_composition_is_refused, filled),
		cmocka_unit_test_setup(a_suppressed_recipient_fails_before_anything_is_sent,
				       filled),
		cmocka_unit_test_setup(status_never_goes_back, filled),
		cmocka_unit_test_setup(an_attempt_without_an_end_is_traced_where_it_was_made,
				       filled),
		cmocka_unit_test_setup(mail_that_goes_with_its_agent_is_told_of, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
