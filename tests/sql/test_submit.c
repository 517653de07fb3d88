/* SPDX-License-Identifier: Apache-2.0 */
/* Mail of agents as e2a_apid stores it and shows it: all of it, or nothing. */
#include "common/store/store_hold.h"
#include "common/store/store_sent.h"
#include "common/store/store_submit.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_submit"

static const char sql_rows[] =
	"TRUNCATE users, domains, message_events, rate_counters CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example'), ('v', 'v@v.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token) VALUES"
	" ('d', 'x.example', 'u', true, ''), ('e', 'y.example', 'v', true, ''),"
	" ('f', 'z.example', 'u', false, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_enabled) VALUES"
	" ('Bot@x.example', 'bot@x.example', 'x.example', 'u', 'local', false),"
	" ('shy@x.example', 'shy@x.example', 'x.example', 'u', 'local', true),"
	" ('bot@y.example', 'bot@y.example', 'y.example', 'v', 'local', false),"
	" ('bot@z.example', 'bot@z.example', 'z.example', 'u', 'local', false);";

static const struct slice all[] = {
	SLICE_INIT("a@w.example"),   SLICE_INIT("\"b\"@w.example"), SLICE_INIT("bot@y.example"),
	SLICE_INIT("c,d@w.example"), SLICE_INIT("{e}@w.example"),
};
static const struct slice chain[] = { SLICE_INIT("<1@w.example>"), SLICE_INIT("<2@w.example>") };
static const struct store_attachment files[] = {
	{ SLICE_INIT("a \"b\".bin"), SLICE_INIT("application/octet-stream"),
	  SLICE_INIT("\0\xff\\000") },
	{ SLICE_INIT(""), SLICE_INIT("text/plain"), SLICE_INIT("") },
};

/* One with something in every field. */
static struct store_submission submission(const char *id, const char *agent)
{
	return (struct store_submission){
		.id = slice_str(id),
		.user_id = S("u"),
		.agent = slice_str(agent),
		.kind = S("reply"),
		.author = slice_str(agent),
		.message_id = S("<own@x.example>"),
		.subject = S("Gr\xc3\xbc\xc3\x9f"
			     "e"),
		.text = S("Text\n"),
		.html = S("<p>Text"),
		.to = { all, 2 },
		.cc = { all + 2, 1 },
		.bcc = { all + 3, 2 },
		.folded = { all, 5 },
		.conversation_id = S("conv"),
		.in_reply_to = chain[1],
		.references = { chain, 2 },
		.auto_submitted = S("auto-replied"),
		.attachments = files,
		.attachments_n = ARRAY_LEN(files),
		.thread = chain[0],
		.reply_budget = 2,
		.reply_budget_window_ms = 3600000,
		.retention_ms = 1000000,
		.lifetime_ms = 1000000,
		.count_usage = true,
	};
}

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

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

#define assert_text(sql, want) fresh_assert_text(DATABASE, sql, want)

struct act {
	const struct store_submission *s;
	struct arena a;
	struct store_submitted got;
	enum err then; /* what follows in the transaction */
};

static void act_release(struct act *t)
{
	arena_release(&t->a);
}

static enum err submit_tx(struct db *db, void *arg, struct fail *fail)
{
	struct act *t = arg;
	enum err e = store_submit(db, t->s, &t->a, &t->got, fail);

	return e ? e : t->then;
}

static enum err submit(struct act *t, const struct store_submission *s)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct fail fail = { 0 };

	t->s = s;
	return db_tx(db, submit_tx, t, &fail);
}

static void submit_ok(const char *id, const char *agent)
{
	AUTO(act_release) struct act t = { 0 };
	struct store_submission s = submission(id, agent);

	assert_int_equal(submit(&t, &s), OK);
}

static void everything_is_stored_as_it_was_given(void **state)
{
	AUTO(act_release) struct act t = { 0 };
	struct store_submission s = submission("msg_1", "Bot@x.example");

	(void)state;
	assert_int_equal(submit(&t, &s), OK);
	assert_false(t.got.held);
	assert_true(t.got.hold_reason.n == 0 && t.got.expires_us == 0);
	assert_text(
		"SELECT concat_ws('|', user_id, agent_email, direction, status, type, header_from, "
		"sender, recipient, subject, email_message_id, in_reply_to, auto_submitted, "
		"conversation_id, entity_type) FROM messages WHERE id = 'msg_1'",
		"u|Bot@x.example|outbound|sent|reply|Bot@x.example|Bot@x.example|a@w.example|"
		"Gr\xc3\xbc\xc3\x9f"
		"e|<own@x.example>|<2@w.example>|auto-replied|conv|agent");
	assert_text(
		"SELECT concat_ws('|', to_addresses, cc_addresses, bcc_addresses) FROM messages",
		"{a@w.example,\"\\\"b\\\"@w.example\"}|{bot@y.example}|"
		"{\"c,d@w.example\",\"{e}@w.example\"}");
	assert_text(
		"SELECT concat_ws('|', body_text, body_html, reference_ids) FROM outbound_drafts",
		"Text\n|<p>Text|{<1@w.example>,<2@w.example>}");
	assert_text("SELECT string_agg(concat_ws('|', n, filename, content_type, data), ' ' "
		    "ORDER BY n) FROM outbound_attachments",
		    "1|a \"b\".bin|application/octet-stream|\\x00ff5c303030 2||text/plain|\\x");
	assert_text("SELECT string_agg(kind || part, ' ' ORDER BY n) FROM outbound_recipients",
		    "toworld toworld ccagents bccworld bccworld");
	assert_text("SELECT string_agg(part || size, ' ' ORDER BY part) FROM outbound_jobs",
		    "agents18 world18");
}

static void a_hold_says_why_and_until_when(void **state)
{
	AUTO(act_release) struct act t = { 0 };
	struct store_submission s = submission("msg_1", "shy@x.example");

	(void)state;
	assert_int_equal(submit(&t, &s), OK);
	assert_true(t.got.held);
	assert_slice(t.got.hold_reason, S("hitl"));
	assert_text("SELECT (extract(epoch FROM approval_expires_at - created_at)::bigint "
		    "BETWEEN 604790 AND 604810)::text FROM messages",
		    "true");
	assert_true(t.got.expires_us > 0);
	assert_text("SELECT count(*)::text FROM outbound_jobs", "0");
	assert_text("SELECT count(*)::text FROM outbound_attachments", "2");
}

/* Each is due after those that its user has waiting; another user's is due at once. */
static void a_flood_of_holds_delays_nobody_elses_question(void **state)
{
	AUTO(act_release) struct act t = { 0 };
	struct store_submission s = submission("msg_9", "bot@y.example");

	(void)state;
	change("UPDATE agents SET hitl_enabled = true");
	submit_ok("msg_1", "shy@x.example");
	change("UPDATE mail_jobs SET due_at = now()");
	change("INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, expires_at, "
	       "due_at, state) SELECT n::text, CASE WHEN n < 20 THEN 'hold' ELSE 'hold_reminder' END, "
	       "'u', 'msg_1', 'u@u.example', '', now(), now(), CASE n WHEN 1 THEN 'failed' "
	       "ELSE 'pending' END FROM generate_series(1, 30) n;");
	submit_ok("msg_2", "shy@x.example");
	s.user_id = S("v");
	assert_int_equal(submit(&t, &s), OK);
	assert_text("SELECT string_agg(message_id || ' ' || round(extract(epoch FROM due_at - "
		    "created_at), 1), ', ' ORDER BY message_id) FROM mail_jobs "
		    "WHERE message_id IN ('msg_2', 'msg_9')",
		    "msg_2 3.8, msg_9 0.0");
	change("UPDATE agents SET hitl_ttl_seconds = 4");
	submit_ok("msg_3", "shy@x.example");
	assert_text("SELECT (due_at - created_at < interval '1010 ms')::text FROM mail_jobs "
		    "WHERE message_id = 'msg_3'",
		    "true");
}

static void a_thread_that_goes_on_too_long_is_held(void **state)
{
	(void)state;
	submit_ok("msg_1", "Bot@x.example");
	submit_ok("msg_2", "Bot@x.example");
	submit_ok("msg_3", "Bot@x.example");
	assert_text("SELECT string_agg(status || hold_reason, ' ' ORDER BY id) FROM messages",
		    "sent sent pending_approvalreply_budget");
}

static void who_cannot_send_is_told_apart_from_trouble(void **state)
{
	static const struct {
		const char *user, *agent;
	} rows[] = {
		{ "u", "nobody@x.example" }, { "u", "bot@x.example" }, /* its address, not its id */
		{ "u", "bot@y.example" },    { "v", "Bot@x.example" }, { "u", "bot@z.example" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(act_release) struct act t = { 0 };
		struct store_submission s = submission("msg_1", rows[i].agent);

		s.user_id = slice_str(rows[i].user);
		assert_row(i, submit(&t, &s) == ERR_NOT_FOUND);
	}
	assert_text("SELECT count(*)::text FROM messages", "0");
	assert_text("SELECT count(*)::text FROM message_events", "0");
}

static void what_is_not_committed_leaves_nothing(void **state)
{
	AUTO(act_release) struct act t = { .then = ERR_CONFLICT };
	struct store_submission s = submission("msg_1", "Bot@x.example");

	(void)state;
	assert_int_equal(submit(&t, &s), ERR_CONFLICT);
	assert_text("SELECT concat_ws(' ', (SELECT count(*) FROM messages), "
		    "(SELECT count(*) FROM outbound_drafts), "
		    "(SELECT count(*) FROM outbound_attachments), "
		    "(SELECT count(*) FROM outbound_recipients), "
		    "(SELECT count(*) FROM outbound_jobs), "
		    "(SELECT count(*) FROM message_events), "
		    "(SELECT count(*) FROM usage_events))",
		    "0 0 0 0 0 0 0");
}

/* ---- reading ---- */

static enum err find(const char *user, const char *agent, const char *id, struct arena *a,
		     struct store_sent *ret)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct fail fail = { 0 };

	return agent ? store_sent_find_own(db, slice_str(user), slice_str(agent), slice_str(id), a,
					   ret, &fail)
		     : store_sent_find(db, slice_str(user), slice_str(id), a, ret, &fail);
}

static void a_message_is_shown_with_what_became_of_it(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_sent m;

	(void)state;
	submit_ok("msg_1", "Bot@x.example");
	submit_ok("msg_2", "Bot@x.example");
	change("UPDATE outbound_recipients SET status = 'bounced', code = '5.1.1', detail = 'no' "
	       "WHERE message_id = 'msg_1' AND n = 4");
	assert_int_equal(find("u", NULL, "msg_1", &a, &m), OK);
	assert_slice(m.agent, S("Bot@x.example"));
	assert_slice(m.type, S("reply"));
	assert_slice(m.message_id, S("<own@x.example>"));
	assert_slice(m.in_reply_to, chain[1]);
	assert_true(m.left && !m.held && !m.edited && m.reviewed_us == 0);
	assert_true(m.to_n == 2 && m.cc_n == 1 && m.bcc_n == 2);
	assert_slice(m.to[1], all[1]);
	assert_slice(m.bcc[1], all[4]);
	assert_int_equal(m.recipients_n, 5);
	for (size_t i = 0; i < m.recipients_n; i++)
		assert_slice_row(m.recipients[i].address, all[i], i);
	assert_slice(m.recipients[2].kind, S("cc"));
	assert_slice(m.recipients[2].status, S("queued"));
	assert_slice(m.recipients[3].status, S("bounced"));
	assert_slice(m.recipients[3].code, S("5.1.1"));
	assert_slice(m.recipients[3].detail, S("no"));
	assert_true(m.recipients[3].updated_us >= m.created_us);
}

static void an_agent_sees_what_left_and_nothing_else(void **state)
{
	static const struct {
		const char *status;
		bool seen;
	} rows[] = {
		{ "sent", true },      { "expired_approved", true },  { "pending_approval", false },
		{ "rejected", false }, { "expired_rejected", false },
	};

	(void)state;
	submit_ok("msg_1", "Bot@x.example");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_sent m;

		change(arena_printf(&a, "UPDATE messages SET status = '%s'", rows[i].status));
		assert_row(i, find("u", "Bot@x.example", "msg_1", &a, &m) ==
				      (rows[i].seen ? OK : ERR_NOT_FOUND));
		assert_row(i, find("u", NULL, "msg_1", &a, &m) == OK);
		assert_row(i, m.left == rows[i].seen);
		assert_row(i, m.recipients_n == (rows[i].seen ? 5 : 0));
	}
}

static void mail_of_others_and_inbound_mail_is_absent(void **state)
{
	static const struct {
		const char *user, *agent;
	} rows[] = {
		{ "v", NULL },
		{ "v", "Bot@x.example" },
		{ "u", "shy@x.example" },
		{ "v", "bot@y.example" },
	};

	(void)state;
	submit_ok("msg_1", "Bot@x.example");
	change("INSERT INTO messages (id, user_id, agent_email, direction, expires_at) "
	       "VALUES ('msg_2', 'u', 'Bot@x.example', 'inbound', now() + interval '1 day')");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_sent m;

		assert_row(i, find(rows[i].user, rows[i].agent, "msg_1", &a, &m) == ERR_NOT_FOUND);
		assert_row(i, find("u", NULL, "msg_2", &a, &m) == ERR_NOT_FOUND);
		assert_row(i, find("u", "Bot@x.example", "msg_2", &a, &m) == ERR_NOT_FOUND);
	}
}

static void expired_mail_is_absent_unless_a_human_has_to_decide(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_sent m;

	(void)state;
	submit_ok("msg_1", "Bot@x.example");
	submit_ok("msg_2", "shy@x.example");
	change("UPDATE messages SET expires_at = now() - interval '1 s'");
	assert_int_equal(find("u", NULL, "msg_1", &a, &m), ERR_NOT_FOUND);
	assert_int_equal(find("u", "Bot@x.example", "msg_1", &a, &m), ERR_NOT_FOUND);
	assert_int_equal(find("u", NULL, "msg_2", &a, &m), OK);
	assert_true(m.held && m.approval_expires_us > 0);
}

static void pages_follow_each_other_from_the_newest(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_sent_page page = { S("u"), S("Bot@x.example"), 0, S(""), 2 };
	struct slice seen[5];
	struct store_sent *v;
	struct fail fail = { 0 };
	bool more = true;
	size_t seen_n = 0, n;

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct store_submission s =
			submission(arena_printf(&a, "msg_%d", i), "Bot@x.example");
		AUTO(act_release) struct act t = { 0 };

		s.thread = S("");
		assert_int_equal(submit(&t, &s), OK);
	}
	change("UPDATE messages SET created_at = '2026-01-15' WHERE id < 'msg_3'");
	while (more) {
		assert_ok(store_sent_list(db, &page, &a, &v, &n, &more, &fail), &fail);
		assert_int_equal(n, more ? 2 : 1);
		for (size_t i = 0; i < n; i++, seen_n++) {
			seen[seen_n] = v[i].id;
			assert_int_equal(v[i].recipients_n, 5);
			assert_slice(v[i].recipients[4].address, all[4]);
		}
		page.before_us = v[n - 1].created_us;
		page.before_id = v[n - 1].id;
	}
	assert_int_equal(seen_n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_slice_row(seen[i], slice_str(arena_printf(&a, "msg_%zu", 4 - i)), i);
}

/* The plan of a statement, as one text. */
static struct slice plan_of(const char *name, const char *execute, struct arena *a)
{
	const struct db_stmt explain = { "t_explain", execute, false }, *s = store_sent_stmts;
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(buf_release) struct buf plan = BUF_INIT(64 * 1024);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	while (!slice_eq(slice_str(s->name), slice_str(name)))
		s++;
	assert_ok(db_prepare(db, s, &fail), &fail);
	fresh_script(db, "SET enable_seqscan = off");
	assert_ok(db_query(db, &explain, NULL, &r, &fail), &fail);
	for (size_t i = 0; i < db_rows_count(r); i++) {
		buf_add_slice(&plan, db_slice(r, i, 0));
		buf_add_char(&plan, '\n');
	}
	return arena_slice(a, buf_slice(&plan));
}

static void a_page_goes_by_its_index_whatever_was_refused(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice plan =
		plan_of("sent_list", "EXPLAIN EXECUTE sent_list('u', 'b', now(), '', '9')", &a);

	(void)state;
	assert_true(slice_search(plan, S("messages_sent_idx")) >= 0);
	assert_true(slice_search(plan, S("Sort")) < 0);
}

/* Those of the same moment are sorted by their ids, and no more than those. */
static void the_list_of_what_is_held_goes_by_its_index(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice plan;

	(void)state;
	change("INSERT INTO users (id, email) SELECT 'u' || i, 'u' || i || '@u.example'"
	       " FROM generate_series(1, 100) i;"
	       "INSERT INTO messages (id, user_id, agent_email, direction, status, expires_at,"
	       " approval_expires_at) SELECT 'msg_' || i, 'u' || i % 100 + 1, 'shy@x.example',"
	       " 'outbound', 'pending_approval', now(), now() + i * interval '1 s'"
	       " FROM generate_series(1, 2000) i; ANALYZE messages");
	plan = plan_of("sent_list_held", "EXPLAIN EXECUTE sent_list_held('u', now(), '', '9')", &a);
	assert_true(slice_search(plan, S("messages_held_idx")) >= 0);
	assert_true(slice_search(plan, S("Presorted Key: approval_expires_at")) >= 0);
}

static void what_is_held_of_all_agents_is_listed_by_when_it_is_over(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_sent_held_key after = { 0 };
	struct slice seen[4];
	struct store_sent *v;
	struct fail fail = { 0 };
	bool more = true;
	size_t seen_n = 0, n;

	(void)state;
	change("UPDATE agents SET hitl_enabled = true");
	for (size_t i = 0; i < 4; i++)
		submit_ok(arena_printf(&a, "msg_%zu", i),
			  i % 2 ? "shy@x.example" : "Bot@x.example");
	change("UPDATE messages SET approval_expires_at = '2026-01-15' WHERE id <> 'msg_2';"
	       "INSERT INTO messages (id, user_id, agent_email, direction, status, expires_at,"
	       " approval_expires_at) SELECT 'no_' || s, 'u', 'shy@x.example', 'outbound', s,"
	       " now() + interval '1 d', now() FROM unnest('{sent,rejected,expired_approved,"
	       "expired_rejected}'::text[]) s;"
	       "UPDATE messages SET expires_at = now() - interval '1 s' WHERE id = 'msg_0'");
	while (more) {
		assert_ok(store_sent_list_held(db, S("u"), &after, 3, &a, &v, &n, &more, &fail),
			  &fail);
		assert_int_equal(n, more ? 3 : 1);
		for (size_t i = 0; i < n; i++)
			seen[seen_n++] = v[i].id;
		after = (struct store_sent_held_key){ v[n - 1].approval_expires_us, v[n - 1].id };
	}
	assert_int_equal(seen_n, 4);
	assert_slice(seen[0], S("msg_0"));
	assert_slice(seen[1], S("msg_1"));
	assert_slice(seen[2], S("msg_3"));
	assert_slice(seen[3], S("msg_2"));
	assert_true(v[0].held && v[0].reviewed_by.n == 0 && v[0].review_channel.n == 0);
	after = (struct store_sent_held_key){ 0 };
	assert_ok(store_sent_list_held(db, S("v"), &after, 3, &a, &v, &n, &more, &fail), &fail);
	assert_true(n == 0 && !more);
}

/* ---- what is held ---- */

static enum err find_held(const char *user, const char *id, struct arena *a, struct store_hold *ret)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	struct fail fail = { 0 };

	return store_hold_find(db, slice_str(user), slice_str(id), a, ret, &fail);
}

static void held_mail_is_read_in_pieces(void **state)
{
	static const struct {
		struct store_hold_place at;
		int64_t n;
		enum err e;
		struct slice want;
	} rows[] = {
		{ { STORE_HOLD_TEXT, 0, 0 }, 5, OK, SLICE_INIT("Text\n") },
		{ { STORE_HOLD_TEXT, 0, 2 }, 2, OK, SLICE_INIT("xt") },
		{ { STORE_HOLD_TEXT, 0, 4 }, 2, ERR_NOT_FOUND, SLICE_INIT("") },
		{ { STORE_HOLD_HTML, 0, 0 }, 7, OK, SLICE_INIT("<p>Text") },
		{ { STORE_HOLD_FILE, 0, 0 }, 6, OK, SLICE_INIT("\0\xff\\000") },
		{ { STORE_HOLD_FILE, 0, 1 }, 1, OK, SLICE_INIT("\xff") },
		{ { STORE_HOLD_FILE, 1, 0 }, 1, ERR_NOT_FOUND, SLICE_INIT("") },
		{ { STORE_HOLD_FILE, 2, 0 }, 1, ERR_NOT_FOUND, SLICE_INIT("") },
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_hold hold;
	struct fail fail = { 0 };

	(void)state;
	submit_ok("msg_1", "shy@x.example");
	assert_int_equal(find_held("u", "msg_1", &a, &hold), OK);
	assert_true(hold.text_bytes == 5 && hold.html_bytes == 7);
	assert_int_equal(hold.files_n, 2);
	assert_slice(hold.files[0].filename, files[0].filename);
	assert_slice(hold.files[1].content_type, files[1].content_type);
	assert_true(hold.files[0].size == 6 && hold.files[1].size == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf got = BUF_INIT(100);

		assert_row(i, store_hold_read(db, S("u"), S("msg_1"), &rows[i].at, rows[i].n, &got,
					      &fail) == rows[i].e);
		assert_slice_row(buf_slice(&got), rows[i].want, i);
	}
}

static void each_end_of_a_line_is_two_bytes_in_a_mail(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(act_release) struct act t = { 0 };
	struct store_submission s = submission("msg_1", "shy@x.example");
	int64_t text = -1, html = -1;
	struct fail fail = { 0 };

	(void)state;
	s.text = S("\xc3\xbc\n\r\nx\r");
	s.html = S("");
	assert_int_equal(submit(&t, &s), OK);
	assert_ok(store_hold_line_bytes(db, S("u"), S("msg_1"), &text, &html, &fail), &fail);
	assert_true(text == 2 + 2 + 4 + 1 + 2 && html == 0);
	assert_int_equal(store_hold_line_bytes(db, S("v"), S("msg_1"), &text, &html, &fail),
			 ERR_NOT_FOUND);
	change("UPDATE messages SET status = 'rejected'");
	assert_int_equal(store_hold_line_bytes(db, S("u"), S("msg_1"), &text, &html, &fail),
			 ERR_NOT_FOUND);
}

static void nothing_is_shown_of_mail_that_waits_no_more(void **state)
{
	const struct store_hold_place text = { .part = STORE_HOLD_TEXT };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf got = BUF_INIT(100);
	struct store_hold hold;
	struct fail fail = { 0 };

	(void)state;
	submit_ok("msg_1", "shy@x.example");
	submit_ok("msg_2", "Bot@x.example");
	assert_int_equal(find_held("u", "msg_2", &a, &hold), ERR_NOT_FOUND);
	assert_int_equal(find_held("v", "msg_1", &a, &hold), ERR_NOT_FOUND);
	assert_int_equal(store_hold_read(db, S("v"), S("msg_1"), &text, 1, &got, &fail),
			 ERR_NOT_FOUND);
	change("UPDATE messages SET status = 'rejected'");
	assert_int_equal(find_held("u", "msg_1", &a, &hold), ERR_NOT_FOUND);
	assert_int_equal(store_hold_read(db, S("u"), S("msg_1"), &text, 1, &got, &fail),
			 ERR_NOT_FOUND);
	assert_int_equal(got.len, 0);
}

static void count_one(struct slice channel, struct slice payload, void *arg)
{
	(void)channel;
	(void)payload;
	++*(int *)arg;
}

static void an_announcement_reaches_who_listens(void **state)
{
	AUTO(db_closep) struct db *listener = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	static const struct db_stmt nothing = { "t_nothing", "SELECT 1", false };
	struct fail fail = { 0 };
	int heard = 0;

	(void)state;
	assert_ok(db_listen(listener, "e2a_jobs", &fail), &fail);
	assert_ok(store_submit_announce(db, &fail), &fail);
	assert_ok(db_query(listener, &nothing, NULL, NULL, &fail), &fail); /* after it */
	assert_ok(db_notifications(listener, count_one, &heard, &fail), &fail);
	assert_int_equal(heard, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(everything_is_stored_as_it_was_given, filled),
		cmocka_unit_test_setup(a_hold_says_why_and_until_when, filled),
		cmocka_unit_test_setup(a_thread_that_goes_on_too_long_is_held, filled),
		cmocka_unit_test_setup(a_flood_of_holds_delays_nobody_elses_question, filled),
		cmocka_unit_test_setup(who_cannot_send_is_told_apart_from_trouble, filled),
		cmocka_unit_test_setup(what_is_not_committed_leaves_nothing, filled),
		cmocka_unit_test_setup(a_message_is_shown_with_what_became_of_it, filled),
		cmocka_unit_test_setup(an_agent_sees_what_left_and_nothing_else, filled),
		cmocka_unit_test_setup(mail_of_others_and_inbound_mail_is_absent, filled),
		cmocka_unit_test_setup(expired_mail_is_absent_unless_a_human_has_to_decide, filled),
		cmocka_unit_test_setup(pages_follow_each_other_from_the_newest, filled),
		cmocka_unit_test_setup(a_page_goes_by_its_index_whatever_was_refused, filled),
		cmocka_unit_test_setup(the_list_of_what_is_held_goes_by_its_index, filled),
		cmocka_unit_test_setup(what_is_held_of_all_agents_is_listed_by_when_it_is_over,
				       filled),
		cmocka_unit_test_setup(each_end_of_a_line_is_two_bytes_in_a_mail, filled),
		cmocka_unit_test_setup(held_mail_is_read_in_pieces, filled),
		cmocka_unit_test_setup(nothing_is_shown_of_mail_that_waits_no_more, filled),
		cmocka_unit_test_setup(an_announcement_reaches_who_listens, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
