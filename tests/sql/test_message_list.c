/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of messages and conversations: what they find, page by page, and that no list reads
 * or sorts more than a window of an index, in a small mailbox and in a large one.
 */
#include "common/base/clock.h"
#include "common/store/store_message_list.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_message_list"
#define USER S("u")
#define AGENT S("a@example.com")

/* Up to the number of mails of a@example.com, a minute apart; every third is in a conversation. */
static const char fill_sql[] =
	"INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, header_from, "
	"subject, conversation_id, created_at, expires_at) SELECT 'm' || lpad(n::text, 8, '0'), "
	"'u', 'a@example.com', 'inbound', CASE WHEN n % 4 = 0 THEN 'read' ELSE 'unread' END, "
	"'Sender' || n % 10 || '@Example.org', 'Gr\u00fc\u00dfe %_\\ ' || n, "
	"CASE WHEN n % 3 = 0 THEN 'c' || n % 100 ELSE '' END, "
	"'2026-01-01T00:00:00Z'::timestamptz + n * interval '1 min', now() + interval '1 day' "
	"FROM generate_series(1, ";

enum { SMALL = 1000, LARGE = 30000 };

static void fill(struct db *db, int n)
{
	AUTO(buf_release) struct buf sql = BUF_INIT(4096);

	fresh_script(db, "SET statement_timeout = 0; TRUNCATE messages CASCADE");
	buf_addf(&sql, "%s%d) n", fill_sql, n);
	fresh_script(db, buf_cstr(&sql));
	fresh_script(db, "INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, "
			 "conversation_id, expires_at) SELECT 'o' || n, 'u', 'b@example.com', "
			 "'inbound', 'unread', 'c3', now() + interval '1 day' "
			 "FROM generate_series(1, 500) n");
	fresh_script(db, "VACUUM ANALYZE messages");
}

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, "INSERT INTO users (id, email) VALUES ('u', 'u@example.com');"
			 "INSERT INTO agents (email, address, domain, user_id, agent_mode, "
			 "webhook_url) SELECT x || '@example.com', x || '@example.com', "
			 "'example.com', 'u', 'local', '' FROM unnest('{a,b}'::text[]) x");
	fill(db, SMALL);
	return 0;
}

/* All ids of a list, page by page; the number of pages. */
static size_t read_list(struct db *db, struct store_message_page page, struct buf *ret)
{
	struct store_message_next next = { .more = true };
	size_t pages = 0;

	page.user_id = page.user_id.p ? page.user_id : USER;
	page.agent = page.agent.p ? page.agent : AGENT;
	for (; next.more; pages++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		static char id[100];
		struct store_message *v;
		struct fail fail = { 0 };
		size_t n;

		assert_ok(store_message_list(db, &page, &a, &v, &n, &next, &fail), &fail);
		assert_true(n <= (size_t)page.limit && pages < 5000);
		for (size_t i = 0; i < n; i++)
			buf_addf(ret, "%.*s ", SLICE_ARGS(v[i].id));
		snprintf(id, sizeof(id), "%.*s", SLICE_ARGS(next.key.id));
		page.after = (struct store_message_key){ next.key.created_us, slice_str(id) };
	}
	assert_false(buf_failed(ret));
	return pages;
}

/* A statement that is run once; `sql` is borrowed until then. */
static const struct db_stmt *once(const char *sql)
{
	static struct db_stmt stmts[500];
	static char names[ARRAY_LEN(stmts)][16];
	static size_t n;

	assert_true(n < ARRAY_LEN(stmts));
	snprintf(names[n], sizeof(names[n]), "t_once_%zu", n);
	stmts[n] = (struct db_stmt){ names[n], sql, false };
	return &stmts[n++];
}

/* The ids that a query finds, in the same form. */
static void ask(struct db *db, const char *where, const char *order, struct buf *ret)
{
	AUTO(buf_release) struct buf sql = BUF_INIT(4096);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	buf_addf(&sql,
		 "SELECT string_agg(id || ' ', '' ORDER BY created_at %s, id %s) FROM messages "
		 "WHERE agent_email = 'a@example.com' AND %s",
		 order, order, where);
	assert_ok(db_query(db, once(buf_cstr(&sql)), NULL, &r, &fail), &fail);
	buf_add_slice(ret, db_slice(r, 0, 0));
}

static int64_t at(const char *text)
{
	int64_t t_us = 0;

	assert_int_equal(clock_parse_rfc3339(slice_str(text), &t_us), OK);
	return t_us;
}

static void a_list_is_what_its_filters_say(void **state)
{
	const struct {
		struct store_message_page page;
		const char *where, *order;
	} rows[] = {
		{ { STORE_MESSAGE_ALL_TIME }, "inbox_status = 'unread'", "ASC" },
		{ { STORE_MESSAGE_ALL_TIME, .filter = STORE_MESSAGE_READ },
		  "inbox_status = 'read'",
		  "ASC" },
		{ { STORE_MESSAGE_ALL_TIME, .filter = STORE_MESSAGE_ALL, .newest_first = true },
		  "true",
		  "DESC" },
		{ { STORE_MESSAGE_ALL_TIME, .conversation_id = S("c3"), .newest_first = true },
		  "conversation_id = 'c3' AND inbox_status = 'unread'",
		  "DESC" },
		{ { STORE_MESSAGE_ALL_TIME, .conversation_id = S("c0"),
		    .filter = STORE_MESSAGE_ALL },
		  "conversation_id = 'c0'",
		  "ASC" },
		{ { STORE_MESSAGE_ALL_TIME, .filter = STORE_MESSAGE_ALL, .from = S("sENDER3@") },
		  "header_from = 'Sender3@Example.org'",
		  "ASC" },
		{ { STORE_MESSAGE_ALL_TIME, .filter = STORE_MESSAGE_ALL,
		    .subject = S("GR\xc3\x9c\xc3\x9f"
				 "E %_\\ 99") },
		  "subject LIKE '% 99%'",
		  "ASC" },
		{ { STORE_MESSAGE_ALL_TIME, .filter = STORE_MESSAGE_ALL, .subject = S("G%e") },
		  "false",
		  "ASC" },
		{ { .since_us = at("2026-01-01T01:00:00Z"),
		    .until_us = at("2026-01-01T02:00:00Z"),
		    .filter = STORE_MESSAGE_ALL },
		  "created_at >= '2026-01-01T01:00:00Z' AND created_at < '2026-01-01T02:00:00Z'",
		  "ASC" },
		{ { .since_us = at("2026-01-01T01:00:00Z"),
		    .until_us = at("2026-01-01T02:00:00Z"),
		    .newest_first = true },
		  "created_at >= '2026-01-01T01:00:00Z' AND created_at < '2026-01-01T02:00:00Z' "
		  "AND inbox_status = 'unread'",
		  "DESC" },
		{ { .since_us = at("2027-01-01T00:00:00Z"), .until_us = INT64_MAX },
		  "false",
		  "ASC" },
		{ { STORE_MESSAGE_ALL_TIME, .user_id = S("other") }, "false", "ASC" },
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int64_t limit = 1; limit <= 125; limit *= 5) {
			AUTO(buf_release) struct buf got = BUF_INIT(100000);
			AUTO(buf_release) struct buf want = BUF_INIT(100000);
			struct store_message_page page = rows[i].page;

			page.limit = limit;
			read_list(db, page, &got);
			ask(db, rows[i].where, rows[i].order, &want);
			if (!slice_eq(buf_slice(&got), buf_slice(&want)))
				fail_msg("row %zu, pages of %d: got %s, want %s", i, (int)limit,
					 buf_cstr(&got), buf_cstr(&want));
		}
}

/* Pages of one window each, most of them empty, and still everything that matches. */
static void a_rare_match_is_found_page_by_page(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct store_message_page page = { STORE_MESSAGE_ALL_TIME, .filter = STORE_MESSAGE_ALL,
					   .limit = 50, .subject = S(" 20000") };

	(void)state;
	fill(owner, LARGE);
	for (int newest = 0; newest < 2; newest++) {
		AUTO(buf_release) struct buf got = BUF_INIT(1000);
		AUTO(buf_release) struct buf want = BUF_INIT(1000);

		page.newest_first = newest;
		assert_in_range(read_list(db, page, &got), LARGE / 5000, LARGE / 5000 + 1);
		ask(db, "subject LIKE '% 20000%'", newest ? "DESC" : "ASC", &want);
		assert_string_equal(buf_cstr(&got), buf_cstr(&want));
	}
	fill(owner, SMALL);
}

static size_t read_conversations(struct db *db, int64_t limit, bool more_comes, struct buf *ret)
{
	struct store_conversation_page page = {
		.user_id = USER, .agent = AGENT, .as_of_us = INT64_MAX, .limit = limit
	};
	struct store_message_next next = { .more = true };
	size_t pages = 0;

	for (; next.more; pages++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		static char id[100];
		struct store_conversation *v;
		struct fail fail = { 0 };
		size_t n;

		assert_ok(store_conversation_list(db, &page, &a, &v, &n, &next, &page.as_of_us,
						  &fail),
			  &fail);
		for (size_t i = 0; i < n; i++)
			buf_addf(ret, "%.*s:%.*s:%d:%d ", SLICE_ARGS(v[i].last.conversation_id),
				 SLICE_ARGS(v[i].last.id), (int)v[i].messages, (int)v[i].unread);
		snprintf(id, sizeof(id), "%.*s", SLICE_ARGS(next.key.id));
		page.after = (struct store_message_key){ next.key.created_us, slice_str(id) };
		if (more_comes && pages == 0) {
			AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);

			fresh_script(owner, "INSERT INTO messages (id, user_id, agent_email, "
					    "direction, inbox_status, conversation_id, expires_at) "
					    "SELECT 'n' || n, 'u', 'a@example.com', 'inbound', "
					    "'unread', 'c' || n, now() + interval '1 day' "
					    "FROM generate_series(0, 99) n");
		}
	}
	return pages;
}

/* id:latest:messages:unread of each, newest first, by another way. */
static void ask_conversations(struct db *db, struct buf *ret)
{
	static const struct db_stmt stmt = {
		"t_ask_conversations",
		"SELECT string_agg(c || ':' || id || ':' || n || ':' || unread || ' ', '' "
		"ORDER BY at DESC) FROM (SELECT conversation_id AS c, max(id) AS id, "
		"count(*) AS n, count(*) FILTER (WHERE inbox_status = 'unread') AS unread, "
		"max(created_at) AS at FROM messages WHERE agent_email = 'a@example.com' "
		"AND conversation_id <> '' GROUP BY 1) t",
		false
	};
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	assert_ok(db_query(db, &stmt, NULL, &r, &fail), &fail);
	buf_add_slice(ret, db_slice(r, 0, 0));
}

static void conversations_come_by_their_latest_mail(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(buf_release) struct buf want = BUF_INIT(100000);

	(void)state;
	ask_conversations(db, &want);
	for (int64_t limit = 1; limit <= 125; limit *= 5) {
		AUTO(buf_release) struct buf got = BUF_INIT(100000);

		read_conversations(db, limit, false, &got);
		assert_string_equal(buf_cstr(&got), buf_cstr(&want));
	}
}

static size_t count_words(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->p[i] == ' ';
	return n;
}

static void conversations_come_once_while_mail_arrives(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(buf_release) struct buf got = BUF_INIT(100000);

	(void)state;
	read_conversations(db, 7, true, &got);
	assert_int_equal(count_words(&got), 100);
	fill(owner, SMALL);
}

static void many_messages_of_a_conversation_are_not_counted(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_conversation_page page = {
		.user_id = USER, .agent = AGENT, .as_of_us = INT64_MAX, .limit = 1
	};
	struct store_conversation *v;
	struct store_message_next next;
	struct fail fail = { 0 };
	int64_t as_of_us;
	size_t n;

	(void)state;
	fresh_script(owner, "UPDATE messages SET conversation_id = 'most' WHERE "
			    "agent_email = 'a@example.com' AND id > 'm00000900'");
	assert_ok(store_conversation_list(db, &page, &a, &v, &n, &next, &as_of_us, &fail), &fail);
	assert_true(n == 1 && v[0].messages == 100 && !v[0].capped && v[0].unread == 75);
	fresh_script(owner, "UPDATE messages SET conversation_id = 'most' WHERE id = 'm00000900'");
	assert_ok(store_conversation_list(db, &page, &a, &v, &n, &next, &as_of_us, &fail), &fail);
	assert_true(n == 1 && v[0].messages == 100 && v[0].capped && v[0].unread == 75);
	fill(owner, SMALL);
}

static void explain(struct db *db, const struct db_stmt *s, bool run, struct buf *ret)
{
	AUTO(buf_release) struct buf sql = BUF_INIT(1000);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };
	bool threads = slice_eq(slice_str(s->name), S("message_conversations"));
	bool newest = threads || slice_ends(slice_str(s->name), S("_newest"));
	bool one = slice_search(slice_str(s->name), S("_conversation")) >= 0 && !threads;
	bool news = slice_search(slice_str(s->name), S("_news_")) >= 0;

	assert_ok(db_prepare(db, s, &fail), &fail);
	buf_addf(&sql, "EXPLAIN (COSTS off%s) EXECUTE %s('u', 'a@example.com', '%s', ''",
		 run ? ", ANALYZE, BUFFERS" : "", s->name, newest ? "infinity" : "-infinity");
	if (threads)
		buf_add_str(&sql, ", 51, 'infinity', 101, 5000)");
	else
		buf_addf(&sql, ", '%s', '', '', 51, 5000%s%s)", newest ? "-infinity" : "infinity",
			 news ? ", '2026-01-01', '1:1:', now(), '9:9:'" : "",
			 one ? ", 'c3', ''" : "");
	assert_ok(db_query(db, once(buf_cstr(&sql)), NULL, &r, &fail), &fail);
	for (size_t i = 0; i < db_rows_count(r); i++) {
		buf_add_slice(ret, db_slice(r, i, 0));
		buf_add_char(ret, '\n');
	}
}

static void check_plans(struct db *db)
{
	static const char *const bad[] = { "Seq Scan", "Sort", "Bitmap", "Hash" };

	for (const struct db_stmt *s = store_message_list_stmts; s->name; s++) {
		AUTO(buf_release) struct buf plan = BUF_INIT(100000);

		explain(db, s, getenv("E2A_SHOW_PLANS") != NULL, &plan);
		if (getenv("E2A_SHOW_PLANS"))
			print_message("%s\n%s\n", s->name, buf_cstr(&plan));
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (slice_search(buf_slice(&plan), slice_str(bad[i])) >= 0)
				fail_msg("%s: %s in\n%s", s->name, bad[i], buf_cstr(&plan));
		assert_true(slice_search(buf_slice(&plan), S("Index Cond")) >= 0);
	}
}

static void no_list_reads_or_sorts_the_mailbox(void **state)
{
	static const int sizes[] = { SMALL, LARGE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
		AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");

		fill(owner, getenv("E2A_ROWS") && sizes[i] == LARGE ? 1000000 : sizes[i]);
		check_plans(db);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_what_its_filters_say),
		cmocka_unit_test(a_rare_match_is_found_page_by_page),
		cmocka_unit_test(conversations_come_by_their_latest_mail),
		cmocka_unit_test(conversations_come_once_while_mail_arrives),
		cmocka_unit_test(many_messages_of_a_conversation_are_not_counted),
		cmocka_unit_test(no_list_reads_or_sorts_the_mailbox),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
