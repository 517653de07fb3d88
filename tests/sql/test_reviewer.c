/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reviewers as e2a_apid names them and lets them answer: who may, what becomes of each state,
 * who is asked then, and what the tokens of others are worth.
 */
#include "common/store/store_decide.h"
#include "common/store/store_reviewer.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <unistd.h>

#define DATABASE "t_reviewer"
#define AGENT "Bot@x.example"
#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

static const char sql_rows[] =
	"TRUNCATE users, domains, message_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example'), ('v', 'v@v.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token) VALUES"
	" ('d', 'x.example', 'u', true, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_enabled) VALUES"
	" ('Bot@x.example', 'bot@x.example', 'x.example', 'u', 'local', true),"
	" ('two@x.example', 'two@x.example', 'x.example', 'u', 'local', true);"
	"INSERT INTO api_keys (id, user_id, name, hash, prefix, scope, agent_email, expires_at) VALUES"
	" ('k', 'u', 'k', '1', '', 'account', NULL, NULL),"
	" ('agents', 'u', 'k', '2', '', 'agent', 'Bot@x.example', NULL),"
	" ('over', 'u', 'k', '3', '', 'account', NULL, now()),"
	" ('others', 'v', 'k', '4', '', 'account', NULL, NULL);"
	"INSERT INTO sessions (hash, user_id, expires_at) VALUES"
	" (sha256('s'), 'u', now() + interval '1 h'), (sha256('o'), 'u', now());";

/* A mail of the agent's that waits, and what was mailed to ann about it. */
static const char sql_held[] =
	"INSERT INTO messages (id, user_id, agent_email, direction, status, approval_expires_at, "
	"expires_at) VALUES ('msg_1', 'u', 'Bot@x.example', 'outbound', 'pending_approval', "
	"now() + interval '1 h', now() + interval '1 h');"
	"INSERT INTO outbound_drafts (message_id, body_text, body_html) VALUES ('msg_1', 'x', '');"
	"INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part) VALUES "
	"('msg_1', 1, 'to', 'you@w.example', 'you@w.example', 'world');"
	"INSERT INTO approval_tokens (hash, message_id, user_id, action, reviewer, nonce, draft_hash, "
	"expires_at) SELECT sha256(convert_to('ann ' || a, 'UTF8')), 'msg_1', 'u', a, 'ann@w.example', "
	"'', draft_hash('msg_1'), now() + interval '1 h' "
	"FROM unnest('{approve,reject,reply}'::text[]) a;";

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	return 0;
}

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

static int filled(void **state)
{
	(void)state;
	change(sql_rows);
	return 0;
}

#define assert_text(sql, want) fresh_assert_text(DATABASE, sql, want)
#define ASKED                                                                                      \
	"SELECT coalesce(string_agg(concat_ws('/', address, full_text, by_reply), ' ' "            \
	"ORDER BY address), '') FROM hold_reviewers('Bot@x.example')"
#define NOTICES                                                                                    \
	"SELECT coalesce(string_agg(message_id || ' ' || recipient, ', ' ORDER BY recipient), "    \
	"'') FROM mail_jobs WHERE kind = 'hold'"

/* ---- what is done, each time by e2a_apid ---- */

struct naming {
	const char *key, *session, *agent, *address, *token;
	bool silent;
	int64_t most;
};

static enum err ask(const struct naming *n, struct store_reviewer_asked *ret, struct arena *a)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	uint8_t hash[SHA256_LEN], session[SHA256_LEN];
	struct store_reviewer_ask wanted = {
		.account = { .user_id = S("u"), .key_id = slice_str(n->key ? n->key : "") },
		.agent = slice_str(n->agent ? n->agent : AGENT),
		.address = slice_str(n->address),
		.folded = slice_str(n->address),
		.link_hash = hash,
		.mailed = !n->silent,
		.lifetime_ms = WEEK_MS,
		.most = n->most ? n->most : 10,
	};
	struct fail fail = { 0 };

	crypto_sha256(slice_str(n->token), hash);
	if (n->session) {
		crypto_sha256(slice_str(n->session), session);
		wanted.account.session_hash = slice_of((const char *)session, sizeof(session));
	}
	return store_reviewer_ask(db, &wanted, a, ret, &fail);
}

static void name(const char *address, const char *token)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct naming n = { .key = "k", .address = address, .token = token };
	struct store_reviewer_asked got;

	assert_int_equal(ask(&n, &got, &a), OK);
	assert_true(got.mailed);
}

static enum store_reviewer_answer accept(const char *token, bool full_text, bool by_reply)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	uint8_t hash[SHA256_LEN];
	enum store_reviewer_answer got;
	struct fail fail = { 0 };

	crypto_sha256(slice_str(token), hash);
	assert_ok(store_reviewer_accept(db, hash, full_text, by_reply, &got, &fail), &fail);
	return got;
}

static enum store_reviewer_answer decline(const char *token)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	uint8_t hash[SHA256_LEN];
	enum store_reviewer_answer got;
	struct fail fail = { 0 };

	crypto_sha256(slice_str(token), hash);
	assert_ok(store_reviewer_decline(db, hash, &got, &fail), &fail);
	return got;
}

static enum err remove_by(const char *key, const char *agent, const char *id)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	const struct store_account account = { .user_id = S("u"), .key_id = slice_str(key) };
	struct fail fail = { 0 };

	return store_reviewer_remove(db, &account, slice_str(agent), slice_str(id), &fail);
}

static void remove_everybody(void)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct store_account account = { .user_id = S("u"), .key_id = S("k") };
	struct store_reviewer *v;
	struct fail fail = { 0 };
	size_t n;

	assert_ok(store_reviewer_list(db, S("u"), S(AGENT), &a, &v, &n, &fail), &fail);
	for (size_t i = 0; i < n; i++)
		assert_ok(store_reviewer_remove(db, &account, S(AGENT), v[i].id, &fail), &fail);
}

/* ---- who may ---- */

static void naming_and_removing_need_a_credential_of_the_account(void **state)
{
	static const struct {
		struct naming n;
		enum err want;
	} rows[] = {
		{ { .key = "agents" }, ERR_UNAUTHORIZED },
		{ { .key = "over" }, ERR_UNAUTHORIZED },
		{ { .key = "others" }, ERR_UNAUTHORIZED },
		{ { .key = "nobody's" }, ERR_UNAUTHORIZED },
		{ { .key = "" }, ERR_UNAUTHORIZED },
		{ { .session = "o" }, ERR_UNAUTHORIZED },
		{ { .session = "k" }, ERR_UNAUTHORIZED },
		{ { .key = "k", .agent = "nobody@x.example" }, ERR_NOT_FOUND },
		{ { .session = "s" }, OK },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct naming n = rows[i].n;
		struct store_reviewer_asked got;

		n.address = "ann@w.example";
		n.token = "t";
		assert_row(i, ask(&n, &got, &a) == rows[i].want);
	}
	assert_text("SELECT count(*)::text FROM reviewers", "1");
	change("UPDATE reviewers SET id = 'rev_1'");
	assert_int_equal(remove_by("agents", AGENT, "rev_1"), ERR_UNAUTHORIZED);
	assert_int_equal(remove_by("others", AGENT, "rev_1"), ERR_UNAUTHORIZED);
	assert_int_equal(remove_by("k", "two@x.example", "rev_1"), ERR_NOT_FOUND);
	assert_int_equal(remove_by("k", AGENT, "rev_2"), ERR_NOT_FOUND);
	assert_text("SELECT count(*)::text FROM reviewers", "1");
	assert_int_equal(remove_by("k", AGENT, "rev_1"), OK);
	assert_text("SELECT count(*)::text FROM reviewers", "0");
}

static void the_daemons_roles_write_no_row_themselves(void **state)
{
	static const char *const sql[] = {
		"INSERT INTO reviewers (id, user_id, agent_email, address, folded, link_hash, "
		"link_expires_at) VALUES ('r', 'u', 'Bot@x.example', 'a@w.example', 'a@w.example', "
		"'', now())",
		"UPDATE reviewers SET state = 'active'",
		"DELETE FROM reviewers",
		"DELETE FROM reviewer_declines",
		"SELECT ask_present_reviewers('Bot@x.example')",
		"SELECT open_review('')",
	};
	static const char *const roles[] = { "e2a_apid", "e2a_deliverd" };

	(void)state;
	name("ann@w.example", "t");
	for (size_t i = 0; i < ARRAY_LEN(sql) * ARRAY_LEN(roles); i++) {
		AUTO(db_closep) struct db *db = fresh_open(DATABASE, roles[i % ARRAY_LEN(roles)]);
		struct fail fail = { 0 };

		assert_row(i, db_script(db, sql[i / ARRAY_LEN(roles)], &fail) != OK);
		assert_non_null(strstr(fail.what, "permission denied"));
	}
	assert_text("SELECT state FROM reviewers", "pending");
}

/* ---- the life of one ---- */

static void each_answer_leads_from_a_state_to_a_state(void **state)
{
	static const struct {
		const char *before; /* what the row is */
		enum store_reviewer_answer accepted, declined;
	} rows[] = {
		{ "state = 'pending'", STORE_REVIEWER_ACCEPTED, STORE_REVIEWER_DECLINED },
		{ "state = 'pending', link_expires_at = now()", STORE_REVIEWER_USELESS,
		  STORE_REVIEWER_USELESS },
		{ "state = 'active', confirmed_at = now()", STORE_REVIEWER_SAVED,
		  STORE_REVIEWER_LEFT },
		{ "state = 'active', confirmed_at = now(), link_expires_at = now()",
		  STORE_REVIEWER_SAVED, STORE_REVIEWER_LEFT },
		{ "state = 'declined'", STORE_REVIEWER_ACCEPTED, STORE_REVIEWER_USELESS },
		{ "state = 'declined', link_expires_at = now()", STORE_REVIEWER_USELESS,
		  STORE_REVIEWER_USELESS },
		{ "state = 'left', confirmed_at = now(), link_expires_at = now()",
		  STORE_REVIEWER_ACCEPTED, STORE_REVIEWER_USELESS },
		{ "state = 'pending', address = 'boss@X.example'", STORE_REVIEWER_USELESS,
		  STORE_REVIEWER_DECLINED },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf sql = BUF_INIT(1024);

		change(sql_rows);
		name("ann@w.example", "t");
		buf_addf(&sql, "UPDATE reviewers SET %s", rows[i / 2].before);
		change(buf_cstr(&sql));
		if (i % 2)
			assert_row(i, accept("t", false, false) == rows[i / 2].accepted);
		else
			assert_row(i, decline("t") == rows[i / 2].declined);
	}
	assert_int_equal(accept("another", false, false), STORE_REVIEWER_USELESS);
	assert_int_equal(decline("another"), STORE_REVIEWER_USELESS);
}

static void naming_again_asks_again_who_may_be_asked(void **state)
{
	static const struct {
		const char *before;
		bool silent, mailed;
		const char *state;
	} rows[] = {
		{ "SELECT", false, true, "pending" },
		{ "SELECT", true, false, "pending" },
		{ "UPDATE reviewers SET link_expires_at = now()", false, true, "pending" },
		{ "UPDATE reviewers SET state = 'active', confirmed_at = now()", false, false,
		  "active" },
		{ "UPDATE reviewers SET state = 'left', confirmed_at = now()", false, true,
		  "pending" },
		{ "UPDATE reviewers SET state = 'declined'; INSERT INTO reviewer_declines "
		  "(user_id, human) VALUES ('u', 'ann@w.example')",
		  false, false, "declined" },
		{ "INSERT INTO reviewer_declines (user_id, human) VALUES ('u', 'ann@w.example')",
		  false, false, "pending" },
		{ "INSERT INTO reviewer_declines (user_id, human) VALUES ('v', 'ann@w.example')",
		  false, true, "pending" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		const struct naming again = { .key = "k",
					      .address = "ann+2@w.example",
					      .token = "new",
					      .silent = rows[i].silent,
					      .most = 1 };
		struct store_reviewer_asked got;

		change(sql_rows);
		name("ann+2@w.example", "old");
		change(rows[i].before);
		assert_row(i, ask(&again, &got, &a) == OK);
		assert_row(i, !got.made && got.mailed == rows[i].mailed);
		assert_slice_row(got.is.state, slice_str(rows[i].state), i);
		assert_text("SELECT concat(link_hash = sha256('new')) "
			    "FROM reviewers",
			    rows[i].mailed ? "t" : "f");
	}
}

static void an_agent_has_so_many(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct naming n = { .key = "k", .address = "bob@w.example", .token = "b", .most = 1 };
	struct store_reviewer_asked got;

	(void)state;
	name("ann@w.example", "a");
	assert_int_equal(decline("a"), STORE_REVIEWER_DECLINED);
	assert_int_equal(ask(&n, &got, &a), ERR_TOO_BIG);
	n.agent = "two@x.example";
	assert_int_equal(ask(&n, &got, &a), OK);
}

static void who_thinks_better_of_it_may_be_asked_again(void **state)
{
	(void)state;
	name("Ann+x@w.example", "a");
	assert_int_equal(decline("a"), STORE_REVIEWER_DECLINED);
	assert_text("SELECT human FROM reviewer_declines", "ann@w.example");
	assert_int_equal(accept("a", false, false), STORE_REVIEWER_ACCEPTED);
	assert_text("SELECT count(*)::text FROM reviewer_declines", "0");
	assert_int_equal(decline("a"), STORE_REVIEWER_LEFT);
	assert_text("SELECT count(*)::text FROM reviewer_declines", "0");
}

/* ---- who is asked ---- */

static void those_who_accepted_are_asked_as_they_chose_else_the_owner(void **state)
{
	(void)state;
	assert_text(ASKED, "u@u.example/f/f");
	name("ann@w.example", "a");
	name("bob@w.example", "b");
	assert_text(ASKED, "u@u.example/f/f");
	accept("a", false, false);
	assert_text(ASKED, "ann@w.example/f/f");
	accept("b", true, true);
	accept("a", true, false);
	assert_text(ASKED, "ann@w.example/t/f bob@w.example/t/t");
	decline("b");
	assert_text(ASKED, "ann@w.example/t/f");
	accept("b", false, false);
	assert_text(ASKED, "ann@w.example/t/f bob@w.example/f/f");
	change("UPDATE domains SET domain = 'w.example' WHERE id = 'd'");
	assert_text(ASKED, "u@u.example/f/f");
	change("UPDATE domains SET domain = 'x.example' WHERE id = 'd'");
	remove_everybody();
	assert_text(ASKED, "u@u.example/f/f");
	name("u@u.example", "u");
	accept("u", true, true);
	assert_text(ASKED, "u@u.example/t/t");
}

static void whoever_is_asked_anew_is_asked_about_what_waits(void **state)
{
	(void)state;
	change(sql_held);
	name("bob@w.example", "b");
	name("ann@w.example", "a");
	assert_text(NOTICES, "");
	change("INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, expires_at) "
	       "VALUES ('mail_1', 'hold', 'u', 'msg_1', 'u@u.example', '', now())");
	accept("b", false, false);
	assert_text(NOTICES, "msg_1 bob@w.example");
	accept("b", true, false);
	accept("a", false, false); /* she has tokens */
	assert_text(NOTICES, "msg_1 bob@w.example");
	decline("b");
	assert_text(NOTICES, "");
	decline("a");
	assert_text(NOTICES, "msg_1 u@u.example");
	accept("a", false, false);
	remove_everybody();
	assert_text(NOTICES, "msg_1 u@u.example");
	change("UPDATE messages SET status = 'sent'");
	name("eve@w.example", "e");
	accept("e", false, false);
	assert_text("SELECT count(*)::text FROM mail_jobs WHERE recipient = 'eve@w.example'", "0");
}

static void a_notice_that_is_under_way_is_left_to_its_worker(void **state)
{
	(void)state;
	name("ann@w.example", "a");
	change(sql_held);
	change("INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, expires_at, "
	       "lease_until) VALUES ('mail_1', 'hold', 'u', 'msg_1', 'u@u.example', '', now(), "
	       "now() + interval '1 h')");
	accept("a", false, false);
	assert_text(NOTICES, "msg_1 u@u.example");
}

/* A mail that is being written (submit_outbound) has chosen whom it asks, and holds this lock. */
static void reviewers_do_not_change_while_their_agent_writes(void **state)
{
	static const char *const changes[] = {
		"SELECT name_reviewer('u', '" AGENT
		"', 'k', '', 'r', 'b@w', 'b@w', 'b', true, 1, 9)",
		"SELECT remove_reviewer('u', '" AGENT "', 'k', '', 'rev_1')",
		"SELECT accept_review(sha256('a'), false, false)",
		"SELECT decline_review(sha256('a'))",
	};
	AUTO(db_closep) struct db *writer = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");

	(void)state;
	name("ann@w.example", "a");
	change("UPDATE reviewers SET id = 'rev_1'");
	fresh_script(db, "SET lock_timeout = '20ms'");
	fresh_script(writer, "BEGIN; SELECT FROM agents WHERE email = 'Bot@x.example' FOR SHARE");
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct fail fail = { 0 };

		assert_row(i, db_script(db, changes[i], &fail) != OK);
		assert_non_null(strstr(fail.what, "lock timeout"));
	}
	fresh_script(writer, "COMMIT");
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		fresh_script(db, changes[i]);
}

static void *accept_bobs(void *arg)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	uint8_t hash[SHA256_LEN];
	enum store_reviewer_answer got;
	struct fail fail = { 0 };

	crypto_sha256(S("b"), hash);
	*(enum err *)arg = store_reviewer_accept(db, hash, false, false, &got, &fail);
	return NULL;
}

static void await_lock(void)
{
	static const struct db_stmt waits = { "t_waits",
					      "SELECT FROM pg_stat_activity WHERE datname = "
					      "current_database() AND wait_event_type = 'Lock'",
					      false };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	struct fail fail = { 0 };
	size_t n = 0;

	for (int i = 0; n == 0 && i < 10000; i++, usleep(1000))
		assert_ok(db_query_count(db, &waits, NULL, &n, &fail), &fail);
	assert_true(n > 0);
}

static void mail_that_goes_meanwhile_is_asked_about_no_more(void **state)
{
	AUTO(db_closep) struct db *deleter = fresh_open(DATABASE, NULL);
	enum err is = ERR_INTERNAL;
	pthread_t thread;

	(void)state;
	change(sql_held);
	name("bob@w.example", "b");
	fresh_script(deleter, "BEGIN; DELETE FROM messages");
	assert_int_equal(pthread_create(&thread, NULL, accept_bobs, &is), 0);
	await_lock();
	fresh_script(deleter, "COMMIT");
	pthread_join(thread, NULL);
	assert_int_equal(is, OK);
	assert_text(ASKED, "bob@w.example/f/f");
	assert_text(NOTICES, "");
}

/* ---- what their tokens are worth ---- */

struct deciding {
	const char *token;
	bool by_reply;
	enum store_decision got;
};

static enum err decide_tx(struct db *db, void *arg, struct fail *fail)
{
	struct deciding *d = arg;
	uint8_t hash[SHA256_LEN] = { 0 };
	const struct store_decider by = {
		.account = { .user_id = S("u") },
		.token_hash = slice_of((const char *)hash, sizeof(hash)),
		.by_reply = d->by_reply,
	};
	enum err e;

	crypto_sha256(slice_str(d->token), hash);
	e = store_decide_approve(db, &by, S("msg_1"), 1000, false, &d->got, fail);
	return e ? e : fail_set(fail, ERR_CONFLICT, "undone: the next one shall find it pending");
}

static enum store_decision decide(bool by_reply)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct deciding d = { by_reply ? "ann reply" : "ann approve", by_reply, 0 };
	struct fail fail = { 0 };

	assert_int_equal(db_tx(db, decide_tx, &d, &fail), ERR_CONFLICT);
	return d.got;
}

static void a_token_is_worth_what_its_reviewer_is_now(void **state)
{
	(void)state;
	change(sql_held);
	name("ann@w.example", "a");
	assert_int_equal(decide(false), STORE_DECIDE_UNAUTHORIZED);
	accept("a", true, false);
	assert_int_equal(decide(false), STORE_DECIDED);
	assert_int_equal(decide(true), STORE_DECIDE_UNAUTHORIZED);
	accept("a", true, true);
	assert_int_equal(decide(true), STORE_DECIDED);
	accept("a", false, false);
	assert_int_equal(decide(true), STORE_DECIDE_UNAUTHORIZED);
	decline("a");
	assert_int_equal(decide(false), STORE_DECIDE_UNAUTHORIZED);
	accept("a", true, true);
	assert_int_equal(decide(false), STORE_DECIDED);
	remove_everybody();
	assert_int_equal(decide(false), STORE_DECIDE_UNAUTHORIZED);
	assert_int_equal(decide(true), STORE_DECIDE_UNAUTHORIZED);
}

/* For reviewing nobody needs an account. What was for the account itself goes with it. */
static void who_deletes_their_account_is_asked_about_others_mail(void **state)
{
	(void)state;
	change(sql_held);
	change("INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, expires_at) "
	       "VALUES ('mail_1', 'hold_reminder', 'u', 'msg_1', 'v@v.example', '', "
	       "now() + interval '1 h'), ('mail_2', 'feedback', NULL, NULL, 'V@v.example', '', "
	       "now() + interval '1 h')");
	change("SELECT * FROM delete_account('v', 'others', NULL, 'account_deleted')");
	assert_text("SELECT string_agg(id, ' ') FROM users", "u");
	assert_text("SELECT string_agg(id, ' ') FROM mail_jobs", "mail_1");
	change("SELECT * FROM delete_account('u', 'k', NULL, 'account_deleted')");
	assert_text("SELECT count(*)::text FROM mail_jobs", "0");
}

#define test_filled(f) cmocka_unit_test_setup(f, filled)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_filled(naming_and_removing_need_a_credential_of_the_account),
		test_filled(the_daemons_roles_write_no_row_themselves),
		test_filled(each_answer_leads_from_a_state_to_a_state),
		test_filled(naming_again_asks_again_who_may_be_asked),
		test_filled(an_agent_has_so_many),
		test_filled(who_thinks_better_of_it_may_be_asked_again),
		test_filled(those_who_accepted_are_asked_as_they_chose_else_the_owner),
		test_filled(whoever_is_asked_anew_is_asked_about_what_waits),
		test_filled(a_notice_that_is_under_way_is_left_to_its_worker),
		test_filled(reviewers_do_not_change_while_their_agent_writes),
		test_filled(mail_that_goes_meanwhile_is_asked_about_no_more),
		test_filled(a_token_is_worth_what_its_reviewer_is_now),
		test_filled(who_deletes_their_account_is_asked_about_others_mail),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
