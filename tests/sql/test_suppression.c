/* SPDX-License-Identifier: Apache-2.0 */
/* The suppression list: whose it is, page by page, and what the asking function answers. */
#include "common/store/store_suppression.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_suppression"
#define USER S("u")

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db,
		     "INSERT INTO users (id, email) VALUES ('u', 'u@example.com'), "
		     "('v', 'v@example.com');"
		     "INSERT INTO suppressions (user_id, address, reason, code, detail, "
		     "message_id, created_at) SELECT 'u', x || '@example.org', 'bounce', "
		     "'5.1.1', 'no such user', 'msg_' || x, now() FROM unnest('{a,b,c}'::text[]) x;"
		     "INSERT INTO suppressions (user_id, address, reason, created_at) VALUES "
		     "('u', '\"a\\b\"@example.org', 'bounce', now() - interval '1 h'), "
		     "('v', 'foreign@example.org', 'bounce', now())");
	return 0;
}

static void a_list_goes_on_where_it_stopped(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf all = BUF_INIT(1024);
	struct store_suppression_key after = { 0 };
	struct store_suppression *v;
	bool more = true;
	size_t n;

	(void)state;
	while (more) {
		struct fail fail = { 0 };

		assert_ok(store_suppression_list(db, USER, &after, 1, &a, &v, &n, &more, &fail),
			  &fail);
		assert_int_equal(n, 1);
		buf_addf(&all, "%.*s ", SLICE_ARGS(v[0].address));
		after = (struct store_suppression_key){ v[0].created_us, v[0].address };
	}
	assert_string_equal(buf_cstr(&all), "c@example.org b@example.org a@example.org "
					    "\"a\\b\"@example.org ");
}

static void one_is_found_by_its_address_and_owner(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_suppression s;
	struct fail fail = { 0 };

	(void)state;
	assert_ok(store_suppression_find(db, USER, S("b@example.org"), &a, &s, &fail), &fail);
	assert_true(slice_eq(s.address, S("b@example.org")));
	assert_true(slice_eq(s.reason, S("bounce")));
	assert_true(slice_eq(s.code, S("5.1.1")));
	assert_true(slice_eq(s.detail, S("no such user")));
	assert_true(slice_eq(s.message_id, S("msg_b")));
	assert_int_equal(store_suppression_find(db, USER, S("foreign@example.org"), &a, &s, &fail),
			 ERR_NOT_FOUND);
}

static void the_check_answers_for_each_address(void **state)
{
	static const struct {
		const char *address;
		bool want;
	} rows[] = {
		{ "none@example.org", false },    { "c@example.org", true },
		{ "foreign@example.org", false }, { "\"a\\b\"@example.org", true },
		{ "C@example.org", false },       { "c@example.org", true },
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct slice asked[ARRAY_LEN(rows)];
	bool answer[ARRAY_LEN(rows)];
	struct fail fail = { 0 };

	(void)state;
	memset(answer, true, sizeof(answer));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		asked[i] = slice_str(rows[i].address);
	assert_ok(store_suppression_check(db, USER, asked, ARRAY_LEN(rows), answer, &fail), &fail);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (answer[i] != rows[i].want)
			fail_msg("%s", rows[i].address);
	assert_ok(store_suppression_check(db, USER, asked, 0, answer, &fail), &fail);
}

static void deleting_is_for_the_owner_and_happens_once(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct slice address = S("a@example.org");
	struct fail fail = { 0 };
	bool still;

	(void)state;
	assert_int_equal(store_suppression_delete(db, S("v"), address, &fail), ERR_NOT_FOUND);
	assert_ok(store_suppression_check(db, USER, &address, 1, &still, &fail), &fail);
	assert_true(still);
	assert_ok(store_suppression_delete(db, USER, address, &fail), &fail);
	assert_int_equal(store_suppression_delete(db, USER, address, &fail), ERR_NOT_FOUND);
	assert_ok(store_suppression_check(db, USER, &address, 1, &still, &fail), &fail);
	assert_false(still);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_goes_on_where_it_stopped),
		cmocka_unit_test(one_is_found_by_its_address_and_owner),
		cmocka_unit_test(the_check_answers_for_each_address),
		cmocka_unit_test(deleting_is_for_the_owner_and_happens_once),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
