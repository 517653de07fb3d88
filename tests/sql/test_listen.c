/* SPDX-License-Identifier: Apache-2.0 */
/* Who may hold a WebSocket open, that changes of it are told, and what a poll finds. */
#include "common/store/store_listener.h"
#include "common/store/store_message.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_listen"

static const char sql_users[] =
	"INSERT INTO users (id, email) VALUES ('u', 'u@example.com'), ('v', 'v@example.com')";

static const char sql_anew[] =
	"DELETE FROM api_keys; DELETE FROM sessions; DELETE FROM agents;"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode)"
	" SELECT n || '@example.com', n || '@example.com', 'example.com', 'u', 'local'"
	" FROM unnest('{a,b}'::text[]) n;"
	"INSERT INTO api_keys (id, user_id, prefix, hash, scope, agent_email) VALUES"
	" ('k', 'u', 'e2a_1', 'x', 'account', NULL),"
	" ('l', 'u', 'e2a_2', 'y', 'agent', 'B@example.com');"
	"INSERT INTO sessions (hash, user_id, expires_at)"
	" VALUES ('\\x7300', 'u', now() + interval '1 day')";

#define NONE SLICE_INIT("")
#define A SLICE_INIT("a@example.com")
#define B SLICE_INIT("b@example.com")
#define C SLICE_INIT("c@example.com")

/* Key k of the account with both agents, key l of agent b with its own, session s with both. */
static const struct store_listener listeners[] = {
	{ SLICE_INIT("k"), NONE, A },   { SLICE_INIT("k"), NONE, B },
	{ SLICE_INIT("l"), NONE, B },   { NONE, SLICE_INIT("s\0"), A },
	{ NONE, SLICE_INIT("s\0"), B },
};

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, sql_users);
	return 0;
}

static void collect(struct slice channel, struct slice payload, void *arg)
{
	buf_addf(arg, "%.*s:%.*s ", SLICE_ARGS(channel), SLICE_ARGS(payload));
}

/* All that was told before this call. */
static void hear(struct db *listener, struct buf *ret)
{
	static const struct db_stmt nothing = { "t_nothing", "SELECT 1", false };
	struct fail fail = { 0 };

	buf_reset(ret);
	assert_ok(db_query(listener, &nothing, NULL, NULL, &fail), &fail);
	assert_ok(db_notifications(listener, collect, ret, &fail), &fail);
}

static void assert_cut_off(struct db *db, const char *want)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf got = BUF_INIT(100);
	struct fail fail = { 0 };
	size_t *v, n;

	assert_ok(store_listener_cut_off(db, listeners, ARRAY_LEN(listeners), &a, &v, &n, &fail),
		  &fail);
	for (size_t i = 0; i < n; i++)
		buf_addf(&got, "%zu", v[i]);
	assert_string_equal(buf_cstr(&got), want);
}

static void what_changes_who_may_listen_is_told(void **state)
{
	static const struct {
		const char *change;
		const char *told, *cut_off;
	} rows[] = {
		{ "UPDATE api_keys SET revoked_at = now() WHERE id = 'k'", "u", "01" },
		{ "UPDATE api_keys SET expires_at = now() WHERE id = 'l'", "u", "2" },
		{ "UPDATE api_keys SET expires_at = now() + interval '1 h'", "u", "" },
		{ "UPDATE api_keys SET agent_email = 'a@example.com' WHERE id = 'l'", "u", "2" },
		{ "DELETE FROM api_keys", "u", "012" },
		{ "DELETE FROM agents WHERE email LIKE 'b%'", "u", "124" },
		{ "UPDATE agents SET agent_mode = 'cloud', webhook_url = 'https://x.example/'"
		  " WHERE email LIKE 'a%'",
		  "u", "03" },
		{ "UPDATE agents SET user_id = 'v' WHERE email LIKE 'a%'", "u", "03" },
		{ "DELETE FROM sessions", "u", "34" },
		{ "UPDATE sessions SET expires_at = now()", "u", "34" },
		{ "UPDATE sessions SET user_id = 'v'", "u", "34" },
		{ "UPDATE agents SET name = 'other'", NULL, "" },
		{ "UPDATE api_keys SET last_used_at = now(), name = 'other'", NULL, "" },
	};
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(buf_release) struct buf heard = BUF_INIT(1000), want = BUF_INIT(100);
	struct fail fail = { 0 };

	(void)state;
	assert_ok(db_listen(db, "e2a_access", &fail), &fail);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fresh_script(owner, sql_anew);
		hear(db, &heard);
		assert_cut_off(db, "");
		fresh_script(owner, rows[i].change);
		hear(db, &heard);
		buf_reset(&want);
		if (rows[i].told)
			buf_addf(&want, "e2a_access:%s ", rows[i].told);
		assert_string_equal(buf_cstr(&heard), buf_cstr(&want));
		assert_cut_off(db, rows[i].cut_off);
	}
}

static const char sql_mail[] =
	"DELETE FROM messages; DELETE FROM raw_messages;"
	"INSERT INTO raw_messages (id, sha256, size, raw, created_at)"
	" SELECT 'r' || n, '', 0, '', now() - n * interval '1 min' FROM generate_series(0, 4) n;"
	"INSERT INTO messages (id, user_id, agent_email, raw_id, direction, created_at, expires_at)"
	" SELECT 'm' || n || e, 'u', e || '@example.com', 'r' || n,"
	" CASE WHEN n = 1 THEN 'outbound' ELSE 'inbound' END,"
	" now() - n * interval '1 min', now() + interval '1 day'"
	" FROM generate_series(0, 4) n, unnest('{a,b}'::text[]) e";

/* Page by page: how many messages, and in how many pages. */
static size_t recent(struct db *db, int64_t window_s, int64_t limit, size_t *ret_pages)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_message_key place = { 0 };
	size_t sum = 0, pages = 0;

	do {
		struct store_message_recent *v;
		struct fail fail = { 0 };
		size_t n;

		assert_ok(
			store_message_recent(db, window_s * 1000, limit, &a, &place, &v, &n, &fail),
			&fail);
		for (size_t k = 0; k < n; k++) {
			assert_true(slice_ends(v[k].agent, S("@example.com")));
			assert_int_equal(v[k].id.p[2], v[k].agent.p[0]);
			assert_true(v[k].created_us > 0);
		}
		sum += n;
		pages++;
	} while (place.id.n);
	*ret_pages = pages;
	return sum;
}

/* Five mails, a minute apart, to two agents each; the second was sent by them. */
static void recent_mail_of_all_agents_is_found_page_by_page(void **state)
{
	static const struct {
		int64_t window_s, limit;
		size_t want, pages;
	} rows[] = { { 30, 100, 2, 1 }, { 90, 100, 2, 1 }, { 150, 100, 4, 1 }, { 1000, 100, 8, 1 },
		     { 1000, 5, 8, 2 }, { 1000, 3, 8, 2 }, { 1000, 1, 8, 6 },  { 0, 100, 0, 1 } };
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");

	(void)state;
	fresh_script(owner, sql_anew);
	fresh_script(owner, sql_mail);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t pages;

		assert_int_equal(recent(db, rows[i].window_s, rows[i].limit, &pages), rows[i].want);
		assert_int_equal(pages, rows[i].pages);
	}
}

/* Messages m0 ... m4 of each agent are there, of which m1 was sent. */
static void a_stream_needs_a_credential_that_reaches_its_agent(void **state)
{
	static const struct {
		struct store_listener who;
		enum err want;
		size_t n;
	} rows[] = {
		{ { SLICE_INIT("k"), NONE, A }, OK, 4 },
		{ { SLICE_INIT("k"), NONE, C }, OK, 0 },
		{ { SLICE_INIT("l"), NONE, B }, OK, 4 },
		{ { NONE, SLICE_INIT("s\0"), B }, OK, 4 },
		{ { SLICE_INIT("l"), NONE, A }, ERR_FORBIDDEN, 0 },
		{ { SLICE_INIT("no"), NONE, A }, ERR_FORBIDDEN, 0 },
		{ { NONE, SLICE_INIT("s"), A }, ERR_FORBIDDEN, 0 },
		{ { NONE, NONE, A }, ERR_FORBIDDEN, 0 },
		{ { SLICE_INIT("k"), NONE, SLICE_INIT("no@example.com") }, ERR_FORBIDDEN, 0 },
		{ { NONE, SLICE_INIT("s\0"), SLICE_INIT("no@example.com") }, ERR_FORBIDDEN, 0 },
	};
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");

	(void)state;
	fresh_script(owner, sql_anew);
	fresh_script(owner,
		     "INSERT INTO agents (email, address, domain, user_id, agent_mode) VALUES"
		     " ('c@example.com', 'c@example.com', 'example.com', 'u', 'local')");
	fresh_script(owner, sql_mail);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct store_message_stream s = { .user_id = S("u"),
							.agent = rows[i].who.address,
							.listener = rows[i].who,
							.limit = 100 };
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_message *v = NULL;
		struct fail fail = { 0 };
		size_t n = 0;

		assert_int_equal(store_message_stream(db, &s, &a, &v, &n, &fail), rows[i].want);
		assert_int_equal(n, rows[i].n);
		for (size_t k = 1; k < n; k++)
			assert_true(v[k - 1].created_us < v[k].created_us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changes_who_may_listen_is_told),
		cmocka_unit_test(recent_mail_of_all_agents_is_found_page_by_page),
		cmocka_unit_test(a_stream_needs_a_credential_that_reaches_its_agent),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
