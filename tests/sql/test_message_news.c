/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on from a moment: whatever the order in which transactions end, and wherever a
 * reader stops between two pages, every message comes exactly once.
 */
#include "common/store/store_message_list.h"
#include "tests/sql/fresh.h"

#include <stdio.h>
#include <string.h>

#define DATABASE "t_message_news"

enum { WRITERS = 6, MAILS = 120 };

static int migrated(void **state)
{
	AUTO(db_closep) struct db *db = fresh_migrated(DATABASE);

	(void)state;
	fresh_script(db, "INSERT INTO users (id, email) VALUES ('u', 'u@example.com');"
			 "INSERT INTO agents (email, address, domain, user_id, agent_mode, "
			 "webhook_url) VALUES ('a@example.com', 'a@example.com', 'example.com', "
			 "'u', 'local', '')");
	return 0;
}

static int emptied(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, "TRUNCATE messages CASCADE");
	return 0;
}

static void store(struct db *db, int n, const char *column, const char *value)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, "
		 "expires_at%s) VALUES ('m%08d', 'u', 'a@example.com', 'inbound', 'unread', "
		 "now() + interval '1 day'%s)",
		 column, n, value);
	fresh_script(db, sql);
}

/* Who reads, and where it goes on. */
struct reader {
	struct db *db;
	enum store_message_filter filter;
	int64_t limit;
	struct arena arena; /* of the place */
	struct store_moment told, upto;
	struct store_message_key after;
	int seen[MAILS]; /* how often each was */
	size_t pages;
};

static struct reader reader_of(struct db *db, enum store_message_filter filter, int64_t limit)
{
	return (struct reader){ .db = db, .filter = filter, .limit = limit, .arena = ARENA_INIT };
}

static void note(struct reader *r, struct slice id)
{
	uint64_t n;

	assert_int_equal(slice_to_u64(slice_sub(id, 1, id.n), MAILS - 1, &n), OK);
	r->seen[n]++;
}

/* One page; false when there is nothing behind it. */
static bool read_page(struct reader *r)
{
	AUTO(arena_release) struct arena old = r->arena;
	struct store_message_page page = { .user_id = S("u"),
					   .agent = S("a@example.com"),
					   .filter = r->filter,
					   STORE_MESSAGE_ALL_TIME,
					   .after = r->after,
					   .told = r->told,
					   .upto = r->upto,
					   .limit = r->limit };
	struct store_message_next next;
	struct store_message *v;
	struct fail fail = { 0 };
	size_t n;

	r->arena = (struct arena)ARENA_INIT;
	if (!page.upto.snapshot.n)
		assert_ok(store_moment_now(r->db, &old, &page.upto, &fail), &fail);
	assert_ok(store_message_list(r->db, &page, &r->arena, &v, &n, &next, &fail), &fail);
	for (size_t i = 0; i < n; i++)
		note(r, v[i].id);
	r->pages++;
	r->after = next.key;
	r->told = next.more ? page.told : page.upto;
	r->upto = next.more ? page.upto : (struct store_moment){ 0 };
	r->told.snapshot = arena_slice(&r->arena, r->told.snapshot);
	r->upto.snapshot = arena_slice(&r->arena, r->upto.snapshot);
	return next.more;
}

static void read_all(struct reader *r)
{
	while (read_page(r))
		;
}

static void assert_seen(const struct reader *r, int from, int to, int times)
{
	for (int i = from; i < to; i++)
		if (r->seen[i] != times)
			fail_msg("message %d came %d times", i, r->seen[i]);
}

static void what_was_written_first_and_seen_last_comes_once(void **state)
{
	AUTO(db_closep) struct db *slow = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *fast = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct reader r = reader_of(db, STORE_MESSAGE_ALL, 10);

	(void)state;
	read_all(&r);
	fresh_script(slow, "BEGIN");
	store(slow, 0, "", "");
	store(fast, 1, "", "");
	read_all(&r);
	assert_int_equal(r.seen[1], 1);
	fresh_script(slow, "COMMIT");
	read_all(&r);
	read_all(&r);
	assert_seen(&r, 0, 2, 1);
	arena_release(&r.arena);
}

/* Transactions that overlap and end in any order, in which the order of times means nothing. */
static void every_message_comes_once_whatever_the_order_of_ends(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct db *writer[WRITERS];
	bool open[WRITERS] = { 0 };
	struct reader r[] = { reader_of(db, STORE_MESSAGE_ALL, 1),
			      reader_of(db, STORE_MESSAGE_UNREAD, 3),
			      reader_of(db, STORE_MESSAGE_ALL, 100) };

	(void)state;
	srand(7);
	for (int i = 0; i < WRITERS; i++)
		writer[i] = fresh_open(DATABASE, NULL);
	for (int n = 0; n < MAILS;) {
		int i = rand() % WRITERS;

		fresh_script(writer[i], open[i] ? "COMMIT" : "BEGIN");
		open[i] = !open[i];
		if (open[i])
			store(writer[i], n++, "", "");
		for (size_t k = 0; k < ARRAY_LEN(r); k++)
			if (rand() % 3 == 0)
				read_page(&r[k]);
	}
	for (int i = 0; i < WRITERS; i++)
		db_close(writer[i]); /* those that are open have stored nothing */
	for (size_t k = 0; k < ARRAY_LEN(r); k++) {
		read_all(&r[k]); /* a page that was begun ends at its moment */
		read_all(&r[k]);
		assert_true(r[k].pages > 10);
		for (int n = 0; n < MAILS; n++)
			assert_true(r[k].seen[n] <= 1 && r[k].seen[n] == r[0].seen[n]);
		arena_release(&r[k].arena);
	}
	assert_true(r[0].seen[0] && r[0].seen[MAILS / 2]);
}

/* Another program marks it read, which writes the row anew. */
static void a_message_that_was_read_meanwhile_does_not_come_again(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct reader r = reader_of(db, STORE_MESSAGE_ALL, 10);

	(void)state;
	store(owner, 0, "", "");
	read_all(&r);
	fresh_script(owner, "UPDATE messages SET inbox_status = 'read'");
	store(owner, 1, "", "");
	read_all(&r);
	assert_seen(&r, 0, 2, 1);
	arena_release(&r.arena);
}

static void messages_from_before_the_transaction_was_noted_count_as_seen(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct reader r = reader_of(db, STORE_MESSAGE_ALL, 10);

	(void)state;
	store(owner, 0, ", stored_in", ", NULL");
	store(owner, 1, ", created_at", ", now() - interval '1 hour'");
	read_all(&r);
	store(owner, 2, "", "");
	read_all(&r);
	assert_seen(&r, 0, 3, 1);
	arena_release(&r.arena);
}

/* A database that was restored elsewhere counts its transactions anew. */
static void a_moment_of_higher_transactions_hides_nothing_later(void **state)
{
	AUTO(db_closep) struct db *owner = fresh_open(DATABASE, NULL);
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct reader r = reader_of(db, STORE_MESSAGE_ALL, 10);

	(void)state;
	read_all(&r);
	r.told.snapshot = S("900000000:900000000:");
	store(owner, 0, "", "");
	read_all(&r);
	assert_int_equal(r.seen[0], 1);
	arena_release(&r.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_written_first_and_seen_last_comes_once, emptied),
		cmocka_unit_test_setup(every_message_comes_once_whatever_the_order_of_ends,
				       emptied),
		cmocka_unit_test_setup(a_message_that_was_read_meanwhile_does_not_come_again,
				       emptied),
		cmocka_unit_test_setup(messages_from_before_the_transaction_was_noted_count_as_seen,
				       emptied),
		cmocka_unit_test_setup(a_moment_of_higher_transactions_hides_nothing_later,
				       emptied),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
