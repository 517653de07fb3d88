/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of reviewers: made once, found again, and nowhere in the database. */
#include "common/base/clock.h"
#include "common/mail/approval_token.h"
#include "common/store/store_approval.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_approval"
#define DRAFT "0123456789abcdef0123456789abcdef"
#define OTHER_DRAFT "x123456789abcdef0123456789abcdef"

static struct keys keys;

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, "INSERT INTO users (id, email) VALUES ('u', 'u@example.com')");
	keys_derive(S("a secret of at least thirty-two bytes"), &keys);
	return 0;
}

static int emptied(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, "DELETE FROM approval_tokens");
	return 0;
}

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

static const struct store_approval_ask first = {
	.message_id = SLICE_INIT("msg_1"),
	.user_id = SLICE_INIT("u"),
	.reviewer = SLICE_INIT("r@example.org"),
	.draft_hash = SLICE_INIT(DRAFT),
	.hold_expires_us = 1768473000999999,
};

static void mint(const struct store_approval_ask *ask, struct arena *a,
		 struct store_approval_tokens *ret)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };

	assert_ok(store_approval_mint(db, &keys, ask, a, ret, &fail), &fail);
}

static void the_same_tokens_come_again(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_approval_tokens one, two;
	struct store_approval_ask by_reply = first;

	(void)state;
	mint(&first, &a, &one);
	by_reply.by_reply = true; /* which they chose meanwhile */
	mint(&by_reply, &a, &two);
	assert_true(slice_eq(one.approve, two.approve) && slice_eq(one.reject, two.reject));
	assert_true(one.first && !two.first);
	assert_int_equal(one.reply.n, 0);
	assert_int_equal(two.reply.n, APPROVAL_REPLY_HEX_LEN);
	fresh_assert_text(DATABASE,
			  "SELECT string_agg(action, ' ' ORDER BY action) FROM approval_tokens",
			  "approve reject reply");
}

static void each_reviewer_and_draft_has_its_own(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_approval_tokens tokens[4];
	struct store_approval_ask asks[4] = { first, first, first, first };

	(void)state;
	asks[1].reviewer = S("s@example.org");
	asks[2].draft_hash = S(OTHER_DRAFT);
	asks[3].message_id = S("msg_2");
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		mint(&asks[i], &a, &tokens[i]);
		assert_false(slice_eq(tokens[i].approve, tokens[i].reject));
		for (size_t k = 0; k < i; k++)
			assert_false(slice_eq(tokens[i].approve, tokens[k].approve));
	}
}

static void a_token_reads_as_what_it_is(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_approval_tokens tokens;
	struct approval_token t;

	(void)state;
	mint(&first, &a, &tokens);
	assert_int_equal(approval_token_read(tokens.reject, &a, &t), OK);
	assert_true(slice_eq(t.message_id, S("msg_1")));
	assert_int_equal(t.action, APPROVAL_REJECT);
	assert_int_equal(t.expires_s, 1768473600); /* ten minutes after the hold */
	fresh_assert_text(DATABASE,
			  "SELECT bool_and(expires_at = to_timestamp(1768473600))::text "
			  "FROM approval_tokens",
			  "true");
}

/* The rows hold the hash of a token, and no token. */
static void the_database_has_no_token(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf sql = BUF_INIT(4096);
	struct store_approval_tokens tokens;
	struct store_approval_ask ask = first;

	(void)state;
	ask.by_reply = true;
	mint(&ask, &a, &tokens);
	buf_addf(&sql,
		 "SELECT (count(*) FILTER (WHERE t.hash IN (sha256('%.*s'), sha256('%.*s'), "
		 "sha256('%.*s'))), count(*) FILTER (WHERE t::text ~ '%.*s|%.*s'))::text "
		 "FROM approval_tokens t",
		 SLICE_ARGS(tokens.approve), SLICE_ARGS(tokens.reject), SLICE_ARGS(tokens.reply),
		 SLICE_ARGS(slice_sub(tokens.approve, tokens.approve.n - 43, tokens.approve.n)),
		 SLICE_ARGS(tokens.reply));
	fresh_assert_text(DATABASE, buf_cstr(&sql), "(3,0)");
}

/* ---- a token that is shown ---- */

static const char pending[] =
	"TRUNCATE users, domains, approval_tokens, message_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'Owner@w.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token) VALUES"
	" ('d', 'x.example', 'u', true, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_enabled) VALUES"
	" ('bot@x.example', 'bot@x.example', 'x.example', 'u', 'local', true);"
	"INSERT INTO messages (id, user_id, agent_email, direction, status, approval_expires_at,"
	" expires_at) VALUES ('msg_1', 'u', 'bot@x.example', 'outbound', 'pending_approval',"
	" now() + interval '1 day', now() + interval '1 day');"
	"INSERT INTO outbound_drafts (message_id, body_text, body_html, reference_ids)"
	" VALUES ('msg_1', 'Text', '', '{}')";

static int held(void **state)
{
	(void)state;
	change(pending);
	return 0;
}

static struct slice draft_of_message(struct arena *a)
{
	static const struct db_stmt stmt = { "t_draft", "SELECT draft_hash('msg_1')", false };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	assert_ok(db_query(db, &stmt, NULL, &r, &fail), &fail);
	return db_text(r, 0, 0, a);
}

/* Those of one who is asked about the held mail, for a day. */
static void mint_held(const char *reviewer, struct arena *a, struct store_approval_tokens *ret)
{
	const struct store_approval_ask ask = {
		.message_id = S("msg_1"),
		.user_id = S("u"),
		.reviewer = slice_str(reviewer),
		.draft_hash = draft_of_message(a),
		.hold_expires_us = clock_now_us() + INT64_C(86400000000),
		.by_reply = true,
	};

	mint(&ask, a, ret);
}

static enum err find_with(const struct keys *k, struct slice token, struct arena *a,
			  struct store_approval *ret)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct fail fail = { 0 };

	return store_approval_find(db, k, token, a, ret, &fail);
}

static void a_token_that_was_mailed_is_found(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_approval_tokens made;
	struct store_approval t;

	(void)state;
	mint_held("owner@w.example", &a, &made);
	{
		const struct {
			struct slice token, action;
		} rows[] = {
			{ made.approve, S("approve") },
			{ made.reject, S("reject") },
			{ made.reply, S("reply") },
		};

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			uint8_t hash[SHA256_LEN];

			crypto_sha256(rows[i].token, hash);
			assert_int_equal(find_with(&keys, rows[i].token, &a, &t), OK);
			assert_slice(t.hash, slice_of((const char *)hash, sizeof(hash)));
			assert_slice(t.action, rows[i].action);
			assert_slice(t.message_id, S("msg_1"));
			assert_slice(t.user_id, S("u"));
			assert_slice(t.reviewer, S("owner@w.example"));
			assert_slice(t.status, S("pending_approval"));
			assert_true(!t.expired && t.pending && t.asked && t.unchanged);
		}
	}
}

/* Whoever can write rows still has no key. */
static void a_row_alone_makes_no_token(void **state)
{
	static const char *const rows[] = {
		"UPDATE approval_tokens SET reviewer = 'eve@w.example'",
		"UPDATE approval_tokens SET message_id = 'msg_2'",
		"UPDATE approval_tokens SET nonce = '0123456789abcdef'",
		"UPDATE approval_tokens SET nonce = ''",
		"UPDATE approval_tokens SET draft_hash = sha256('')",
		"UPDATE approval_tokens SET draft_hash = ''",
		("UPDATE approval_tokens SET action = CASE action WHEN 'approve' THEN 'reject' "
		 "WHEN 'reject' THEN 'reply' ELSE 'approve' END"),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_approval_tokens made;
		struct store_approval t;

		held(state);
		mint_held("owner@w.example", &a, &made);
		change(rows[i]);
		assert_int_equal(find_with(&keys, made.approve, &a, &t), ERR_NOT_FOUND);
		assert_int_equal(find_with(&keys, made.reject, &a, &t), ERR_NOT_FOUND);
		assert_int_equal(find_with(&keys, made.reply, &a, &t), ERR_NOT_FOUND);
	}
}

static void a_token_of_another_deployment_is_none(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_approval_tokens made;
	struct store_approval t;
	struct keys others;

	(void)state;
	keys_derive(S("another secret of more than thirty-two bytes"), &others);
	mint_held("owner@w.example", &a, &made);
	assert_int_equal(find_with(&others, made.approve, &a, &t), ERR_NOT_FOUND);
	assert_int_equal(find_with(&others, made.reply, &a, &t), ERR_NOT_FOUND);
	assert_int_equal(find_with(&keys, S(""), &a, &t), ERR_NOT_FOUND);
}

#define CHANGED "UPDATE outbound_drafts SET body_text = 'Other'"
#define NAMED                                                                                      \
	"INSERT INTO reviewers (id, user_id, agent_email, address, folded, state, link_hash, "     \
	"link_expires_at) VALUES ('rev_1', 'u', 'bot@x.example', 'Zoe@w.example', "                \
	"'zoe@w.example', 'active', 'x', now())"

static void a_token_says_what_became_of_its_mail(void **state)
{
	static const struct {
		const char *sql, *reviewer, *status;
		bool expired, pending, asked, unchanged;
	} rows[] = {
		{ "SELECT", "OWNER@w.example", "pending_approval", false, true, true, true },
		{ "SELECT", "eve@w.example", "pending_approval", false, true, false, true },
		{ CHANGED, "owner@w.example", "pending_approval", false, true, true, false },
		{ NAMED, "owner@w.example", "pending_approval", false, true, false, true },
		{ NAMED, "zoe@w.example", "pending_approval", false, true, true, true },
		{ "UPDATE approval_tokens SET expires_at = clock_timestamp()", "owner@w.example",
		  "pending_approval", true, true, true, true },
		{ "UPDATE messages SET status = 'rejected'", "owner@w.example", "rejected", false,
		  false, false, false },
		{ "DELETE FROM messages", "owner@w.example", "", false, false, false, false },
		{ "UPDATE messages SET direction = 'inbound'", "owner@w.example", "", false, false,
		  false, false },
		{ "DELETE FROM agents", "owner@w.example", "", false, false, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_approval_tokens made;
		struct store_approval t;

		held(state);
		mint_held(rows[i].reviewer, &a, &made);
		change(rows[i].sql);
		assert_int_equal(find_with(&keys, made.reject, &a, &t), OK);
		assert_slice_row(t.status, slice_str(rows[i].status), i);
		assert_int_equal(t.expired, rows[i].expired);
		assert_int_equal(t.pending, rows[i].pending);
		assert_int_equal(t.asked, rows[i].asked);
		assert_int_equal(t.unchanged, rows[i].unchanged);
	}
}

static void tokens_go_when_they_are_old(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_approval_tokens made;
	struct store_approval t;
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	mint_held("owner@w.example", &a, &made);
	change("UPDATE approval_tokens SET expires_at = now() - interval '10 s' "
	       "WHERE action <> 'approve'");
	assert_ok(store_approval_expire(db, 20000, 10, &n, &fail), &fail);
	assert_int_equal(n, 0);
	assert_ok(store_approval_expire(db, 5000, 1, &n, &fail), &fail);
	assert_int_equal(n, 1);
	assert_ok(store_approval_expire(db, 5000, 10, &n, &fail), &fail);
	assert_int_equal(n, 1);
	assert_int_equal(find_with(&keys, made.reject, &a, &t), ERR_NOT_FOUND);
	assert_int_equal(find_with(&keys, made.approve, &a, &t), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_same_tokens_come_again, emptied),
		cmocka_unit_test_setup(each_reviewer_and_draft_has_its_own, emptied),
		cmocka_unit_test_setup(a_token_reads_as_what_it_is, emptied),
		cmocka_unit_test_setup(the_database_has_no_token, emptied),
		cmocka_unit_test_setup(a_token_that_was_mailed_is_found, held),
		cmocka_unit_test_setup(a_row_alone_makes_no_token, held),
		cmocka_unit_test_setup(a_token_of_another_deployment_is_none, held),
		cmocka_unit_test_setup(a_token_says_what_became_of_its_mail, held),
		cmocka_unit_test_setup(tokens_go_when_they_are_old, held),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
