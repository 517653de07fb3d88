/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of reviewers: made once, found again, and nowhere in the database. */
#include "common/mail/approval_token.h"
#include "common/store/store_approval.h"
#include "tests/sql/fresh.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_same_tokens_come_again, emptied),
		cmocka_unit_test_setup(each_reviewer_and_draft_has_its_own, emptied),
		cmocka_unit_test_setup(a_token_reads_as_what_it_is, emptied),
		cmocka_unit_test_setup(the_database_has_no_token, emptied),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
