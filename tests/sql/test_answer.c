/* SPDX-License-Identifier: Apache-2.0 */
/* What answers of reviewers leave behind, however many there are. */
#include "common/store/store_answer.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_answer"
#define HASH "0123456789abcdef0123456789abcdef"
#define OTHER_HASH "fedcba9876543210fedcba9876543210"

static const char sql_rows[] =
	"TRUNCATE users, domains, message_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token)"
	" VALUES ('d', 'x.example', 'u', true, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_enabled)"
	" VALUES ('shy@x.example', 'shy@x.example', 'x.example', 'u', 'local', true);"
	"SELECT submit_outbound('msg_1', 'u', 'shy@x.example', 'send', 'shy@x.example',"
	" '<1@x.example>', 'Subject', 'Text', '', '{a@w.example}', '{}', '{}', '{a@w.example}',"
	" 'conv', '', '{}', '', 0, '', 30, 3600000, 3600000000, 3600000, true);"
	"INSERT INTO approval_tokens (hash, message_id, user_id, action, reviewer, nonce,"
	" draft_hash, expires_at) VALUES"
	" ('" HASH "', 'msg_1', 'u', 'reply', 'r@r.example', '', '', now()),"
	" ('" OTHER_HASH "', 'msg_1', 'u', 'reply', 's@r.example', '', '', now()),"
	" ('link', 'msg_1', 'u', 'approve', 'r@r.example', '', '', now());";

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	return 0;
}

static int filled(void **state)
{
	(void)state;
	change(sql_rows);
	change("DELETE FROM message_events");
	return 0;
}

static enum err lock(const char *hash, struct arena *a, struct store_answer_mail *ret)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };

	return store_answer_lock(db, slice_str(hash), a, ret, &fail);
}

static bool ignore(const char *hash, const char *reason, const char *queue_id, bool authentic)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	const struct store_answer_ignored i = {
		.token_hash = slice_str(hash),
		.reason = slice_str(reason),
		.queue_id = slice_str(queue_id),
		.authentic = authentic,
		.most = 3,
	};
	struct fail fail = { 0 };
	bool written = false;

	assert_ok(store_answer_ignore(db, &i, &written, &fail), &fail);
	return written;
}

static void a_token_leads_to_its_mail_while_that_is_there(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_answer_mail mail;

	(void)state;
	assert_int_equal(lock("unknown", &a, &mail), ERR_NOT_FOUND);
	assert_int_equal(lock("link", &a, &mail), ERR_NOT_FOUND);
	assert_int_equal(lock(HASH, &a, &mail), OK);
	assert_slice(mail.agent, S("shy@x.example"));
	assert_slice(mail.subject, S("Subject"));
	assert_slice(mail.channel, S(""));
	change("UPDATE messages SET status = 'rejected', review_channel = 'mail', "
	       "reviewed_by = 'r@r.example'");
	assert_int_equal(lock(HASH, &a, &mail), OK);
	assert_slice(mail.channel, S("mail"));
	assert_slice(mail.decided_by, S("r@r.example"));
	change("DELETE FROM messages");
	assert_int_equal(lock(HASH, &a, &mail), OK);
	assert_slice(mail.agent, S(""));
}

static void an_answer_is_written_down_once(void **state)
{
	(void)state;
	assert_true(ignore(HASH, "unclear", "q1", true));
	assert_false(ignore(HASH, "unclear", "q1", true));
	assert_true(ignore(HASH, "unclear", "q2", true));
	assert_true(ignore(OTHER_HASH, "unclear", "q1", true));
	assert_false(ignore("unknown", "unclear", "q1", true));
	fresh_assert_text(DATABASE,
			  "SELECT string_agg(concat_ws(' ', message_id, user_id, stage, outcome, "
			  "reason, detail->>'token', detail->>'queue_id', detail->>'authentic'), "
			  "', ' ORDER BY id) FROM message_events",
			  "msg_1 u hold ignored unclear 3031323334353637 q1 true, "
			  "msg_1 u hold ignored unclear 3031323334353637 q2 true, "
			  "msg_1 u hold ignored unclear 6665646362613938 q1 true");
}

static void strangers_do_not_use_up_the_reviewers_share(void **state)
{
	static const char *const ids[] = { "q1", "q2", "q3", "q4", "q5" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_row(i, ignore(HASH, "no_dkim", ids[i], false) == (i < 3));
	assert_true(ignore(HASH, "unclear", "r1", true));
	assert_true(ignore(OTHER_HASH, "no_dkim", "q1", false));
}

static void a_mail_that_is_gone_has_a_ledger_still(void **state)
{
	(void)state;
	change("DELETE FROM messages; DELETE FROM message_events");
	assert_true(ignore(HASH, "gone", "q1", true));
	change("DELETE FROM users");
	assert_false(ignore(HASH, "gone", "q2", true));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_token_leads_to_its_mail_while_that_is_there, filled),
		cmocka_unit_test_setup(an_answer_is_written_down_once, filled),
		cmocka_unit_test_setup(strangers_do_not_use_up_the_reviewers_share, filled),
		cmocka_unit_test_setup(a_mail_that_is_gone_has_a_ledger_still, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
