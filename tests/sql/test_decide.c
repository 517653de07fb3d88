/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions about held mail, by the roles that make them: every outcome, and what it leaves. */
#include "common/store/store_decide.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#include <pthread.h>

#define DATABASE "t_decide"

enum { LIFETIME_MS = 3600000, DECIDERS = 8, ROUNDS = 10 };

static const char sql_rows[] =
	"TRUNCATE users, domains, message_events, usage_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example'), ('v', 'v@v.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token) VALUES"
	" ('d', 'x.example', 'u', true, ''), ('e', 'y.example', 'v', true, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode, hitl_enabled) VALUES"
	" ('Shy@x.example', 'shy@x.example', 'x.example', 'u', 'local', true),"
	" ('bot@y.example', 'bot@y.example', 'y.example', 'v', 'local', true);"
	"INSERT INTO api_keys (id, user_id, prefix, hash, scope, agent_email, expires_at, revoked_at)"
	" VALUES ('ak', 'u', '', '1', 'account', NULL, NULL, NULL),"
	" ('ak_old', 'u', '', '2', 'account', NULL, now() - interval '1 s', NULL),"
	" ('ak_revoked', 'u', '', '3', 'account', NULL, NULL, now()),"
	" ('ak_agent', 'u', '', '4', 'agent', 'Shy@x.example', NULL, NULL),"
	" ('ak_v', 'v', '', '5', 'account', NULL, NULL, NULL);"
	"INSERT INTO sessions (hash, user_id, expires_at) VALUES"
	" ('good', 'u', now() + interval '1 h'), ('old', 'u', now() - interval '1 s'),"
	" ('of v', 'v', now() + interval '1 h');";

/* Mail that is held as e2a-apid holds it. */
static const char sql_held[] =
	"SELECT submit_outbound('msg_1', 'u', 'Shy@x.example', 'send', 'shy@x.example',"
	" '<1@x.example>', 'Subject', 'Text', '<p>Text', '{a@w.example,bot@y.example}',"
	" '{c@w.example}', '{d@w.example}',"
	" '{a@w.example,bot@y.example,c@w.example,d@w.example}', 'conv', '', '{}', '', 4, '',"
	" 30, 3600000, 3600000000, 3600000, true);"
	"INSERT INTO outbound_attachments (message_id, n, filename, content_type, data)"
	" VALUES ('msg_1', 1, 'a.txt', 'text/plain', 'file');";

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

#define assert_text(sql, want) fresh_assert_text(DATABASE, sql, want)

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	return 0;
}

static int held(void **state)
{
	(void)state;
	change(sql_rows);
	change(sql_held);
	return 0;
}

/* ---- acts ---- */

static const struct store_decider by_key = { .account = { .user_id = SLICE_INIT("u"),
							  .key_id = SLICE_INIT("ak") } };
static const struct store_decider by_session = {
	.account = { .user_id = SLICE_INIT("u"), .session_hash = SLICE_INIT("good") }
};

enum verb { APPROVE, REJECT, EDIT };

struct act {
	const char *role;
	const struct store_decider *by;
	struct slice id;
	enum verb verb;
	const struct store_hold_edit *edit; /* before an approval too */
	enum store_decision got;
};

static enum err decide_tx(struct db *db, void *arg, struct fail *fail)
{
	struct act *t = arg;
	enum err e = OK;

	t->got = STORE_DECIDED;
	if (t->edit)
		e = store_decide_edit(db, t->by, t->id, t->edit, &t->got, fail);
	if (e || t->got != STORE_DECIDED || t->verb == EDIT)
		return e;
	if (t->verb == APPROVE)
		e = store_decide_approve(db, t->by, t->id, LIFETIME_MS, true, &t->got, fail);
	else
		e = store_decide_reject(db, t->by, t->id, S("No \"way\"\n<b>"), &t->got, fail);
	return e;
}

static enum err try_act(struct act *t, struct fail *fail)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, t->role ? t->role : "e2a_apid");

	return db_tx(db, decide_tx, t, fail);
}

static enum store_decision act(struct act t)
{
	struct fail fail = { 0 };

	assert_ok(try_act(&t, &fail), &fail);
	return t.got;
}

static enum store_decision decide(enum verb verb, const struct store_decider *by)
{
	return act((struct act){ .by = by, .id = S("msg_1"), .verb = verb });
}

static enum store_decision edit(const struct store_hold_edit *edit)
{
	return act((struct act){ .by = &by_key, .id = S("msg_1"), .verb = EDIT, .edit = edit });
}

#define STATE                                                                                      \
	"SELECT concat_ws('|', status, review_channel, reviewed_by, reviewed_at IS NOT NULL, "     \
	"decided_at IS NOT NULL, approved_hash IS NOT NULL, rejection_reason) FROM messages"
#define LEDGER                                                                                     \
	"SELECT string_agg(concat_ws(' ', stage, outcome, reason, detail ->> 'by', "               \
	"detail ->> 'edited'), ', ' ORDER BY id) FROM message_events"

static void assert_untouched(void)
{
	assert_text(STATE, "pending_approval|||f|f|f|");
	assert_text("SELECT concat_ws(' ', (SELECT count(*) FROM outbound_drafts), "
		    "(SELECT count(*) FROM outbound_attachments), "
		    "(SELECT count(*) FROM outbound_jobs), "
		    "(SELECT count(*) FROM mail_jobs), "
		    "(SELECT count(*) FROM message_events))",
		    "1 1 0 1 1");
}

/* ---- approvals and rejections ---- */

static void an_approved_mail_has_its_jobs_and_its_hash(void **state)
{
	(void)state;
	change("UPDATE domains SET verified = false WHERE id = 'e'"); /* since it was held */
	assert_int_equal(decide(APPROVE, &by_key), STORE_DECIDED);
	assert_text(STATE, "sent|api|ak|t|t|t|");
	assert_text("SELECT (approved_hash = draft_hash(id))::text FROM messages", "true");
	assert_text("SELECT string_agg(concat_ws(' ', id, part, size, state), ', ' ORDER BY part) "
		    "FROM outbound_jobs",
		    "job_1_world world 15 pending");
	assert_text("SELECT (give_up_at - now() BETWEEN interval '59 min' AND "
		    "interval '60 min')::text FROM outbound_jobs",
		    "true");
	assert_text("SELECT string_agg(kind || part || status, ' ' ORDER BY n) "
		    "FROM outbound_recipients",
		    "toworldqueued toworldqueued ccworldqueued bccworldqueued");
	assert_text("SELECT concat_ws(' ', id, direction, domain) FROM usage_events",
		    "ue_1 outbound x.example");
	assert_text(LEDGER, "outbound held hitl, hold approved api ak false");
	assert_text("SELECT (detail ->> 'draft' = encode(m.approved_hash, 'hex'))::text "
		    "FROM message_events e JOIN messages m ON m.id = e.message_id "
		    "WHERE e.stage = 'hold'",
		    "true");
	assert_text("SELECT count(*)::text FROM mail_jobs", "0");
}

static void a_rejected_mail_has_lost_its_text(void **state)
{
	(void)state;
	assert_int_equal(decide(REJECT, &by_session), STORE_DECIDED);
	assert_text(STATE, "rejected|session|u@u.example|t|t|f|No \"way\"\n<b>");
	assert_text("SELECT concat_ws(' ', (SELECT count(*) FROM outbound_drafts), "
		    "(SELECT count(*) FROM outbound_attachments), "
		    "(SELECT count(*) FROM outbound_jobs), (SELECT count(*) FROM mail_jobs), "
		    "(SELECT count(*) FROM usage_events))",
		    "0 0 0 0 0");
	assert_text("SELECT string_agg(DISTINCT status || detail, ' ') FROM outbound_recipients",
		    "failedrejected");
	assert_text(LEDGER, "outbound held hitl, hold rejected session u@u.example");
}

static void a_reminder_under_way_is_left_to_whoever_sends_it(void **state)
{
	(void)state;
	change("UPDATE mail_jobs SET lease_until = now() + interval '1 min'");
	assert_int_equal(decide(REJECT, &by_key), STORE_DECIDED);
	assert_text("SELECT count(*)::text FROM mail_jobs", "1");
}

static void what_was_decided_is_not_decided_again(void **state)
{
	static const char *const ends[] = { "sent", "rejected", "expired_approved",
					    "expired_rejected" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		const struct store_hold_edit e = { .has_subject = true };

		held(state);
		change(arena_printf(&a, "UPDATE messages SET status = '%s'", ends[i]));
		assert_row(i, decide(APPROVE, &by_key) == STORE_DECIDE_RESOLVED);
		assert_row(i, decide(REJECT, &by_session) == STORE_DECIDE_RESOLVED);
		assert_row(i, edit(&e) == STORE_DECIDE_RESOLVED);
		assert_text(STATE, arena_printf(&a, "%s|||f|f|f|", ends[i]));
	}
}

static void nobody_decides_without_a_credential_of_the_account(void **state)
{
	static const struct {
		const char *user, *key, *session, *id;
		enum store_decision want;
	} rows[] = {
		{ "u", "", "", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "ak_none", "", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "ak_old", "", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "ak_revoked", "", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "ak_agent", "", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "ak_v", "", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "", "old", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "", "of v", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "", "none", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "v", "ak_v", "", "msg_1", STORE_DECIDE_ABSENT },
		{ "v", "", "of v", "msg_1", STORE_DECIDE_ABSENT },
		{ "v", "ak", "", "msg_1", STORE_DECIDE_UNAUTHORIZED },
		{ "u", "ak", "", "msg_2", STORE_DECIDE_ABSENT },
		{ "u", "ak", "", "", STORE_DECIDE_ABSENT },
	};
	const struct store_hold_edit no_edit = { .has_subject = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct store_decider by = {
			.account = { slice_str(rows[i].user), slice_str(rows[i].key),
				     slice_str(rows[i].session) },
		};
		struct act t = { .by = &by, .id = slice_str(rows[i].id) };

		for (t.verb = APPROVE; t.verb <= EDIT; t.verb++) {
			t.edit = t.verb == EDIT ? &no_edit : NULL;
			assert_row(i, act(t) == rows[i].want);
		}
	}
	assert_untouched();
}

static void inbound_mail_is_no_hold(void **state)
{
	(void)state;
	change("UPDATE messages SET direction = 'inbound'");
	assert_int_equal(decide(APPROVE, &by_key), STORE_DECIDE_ABSENT);
	assert_int_equal(decide(REJECT, &by_key), STORE_DECIDE_ABSENT);
}

static void what_cannot_leave_now_stays_held(void **state)
{
	static const struct {
		const char *sql;
		enum store_decision want;
	} rows[] = {
		{ "UPDATE domains SET verified = false WHERE id = 'd'", STORE_DECIDE_UNVERIFIED },
		{ "INSERT INTO suppressions (user_id, address, reason) "
		  "SELECT 'u', r.folded, 'bounce' FROM outbound_recipients r",
		  STORE_DECIDE_SUPPRESSED },
		{ "INSERT INTO suppressions (user_id, address, reason) "
		  "SELECT 'v', r.folded, 'bounce' FROM outbound_recipients r",
		  STORE_DECIDED },
		{ "INSERT INTO suppressions (user_id, address, reason) "
		  "SELECT 'u', r.folded, 'bounce' FROM outbound_recipients r WHERE r.n < 4",
		  STORE_DECIDED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		held(state);
		change(rows[i].sql);
		assert_row(i, decide(APPROVE, &by_key) == rows[i].want);
		if (rows[i].want != STORE_DECIDED)
			assert_untouched();
		assert_row(i, decide(REJECT, &by_key) == (rows[i].want == STORE_DECIDED
								  ? STORE_DECIDE_RESOLVED
								  : STORE_DECIDED));
	}
}

static void a_hold_without_its_draft_is_not_sent(void **state)
{
	struct act t = { .by = &by_key, .id = S("msg_1"), .verb = APPROVE };
	struct fail fail = { 0 };

	(void)state;
	change("DELETE FROM outbound_drafts");
	assert_true(try_act(&t, &fail) != OK);
	assert_text(STATE, "pending_approval|||f|f|f|");
}

/* ---- edits ---- */

static const struct slice list[] = { SLICE_INIT("N@w.example"), SLICE_INIT("bot@y.example"),
				     SLICE_INIT("n@w.example") };

static void what_is_given_replaces_what_was_there(void **state)
{
	static const struct store_attachment files[] = {
		{ SLICE_INIT("x"), SLICE_INIT("a/b"), SLICE_INIT("\0\1") },
		{ SLICE_INIT("y"), SLICE_INIT("a/c"), SLICE_INIT("") },
	};
	const struct store_hold_edit e = {
		.subject = S(""),
		.text = S("New"),
		.html = S(""),
		.has_subject = true,
		.has_text = true,
		.has_html = true,
		.has_recipients = true,
		.to = { list, 1 },
		.bcc = { list + 1, 1 },
		.folded = { (const struct slice[]){ list[2], list[1] }, 2 },
		.has_attachments = true,
		.attachments = files,
		.attachments_n = ARRAY_LEN(files),
	};
	const struct act t = { .by = &by_key, .id = S("msg_1"), .verb = APPROVE, .edit = &e };

	(void)state;
	assert_int_equal(act(t), STORE_DECIDED);
	assert_text("SELECT concat_ws('|', status, subject, to_addresses, cc_addresses, "
		    "bcc_addresses, recipient, edited, approved_hash = draft_hash(id)) "
		    "FROM messages",
		    "sent||{N@w.example}|{}|{bot@y.example}|N@w.example|t|t");
	assert_text("SELECT concat_ws('|', body_text, body_html) FROM outbound_drafts", "New|");
	assert_text("SELECT string_agg(concat_ws(' ', n, kind, address, folded, part), ', ' "
		    "ORDER BY n) FROM outbound_recipients",
		    "1 to N@w.example n@w.example world, 2 bcc bot@y.example bot@y.example agents");
	assert_text("SELECT string_agg(concat_ws(' ', n, filename, content_type, data), ', ' "
		    "ORDER BY n) FROM outbound_attachments",
		    "1 x a/b \\x0001, 2 y a/c \\x");
	assert_text("SELECT string_agg(part || size, ' ' ORDER BY part) FROM outbound_jobs",
		    "agents5 world5");
	assert_text(LEDGER, "outbound held hitl, hold approved api ak true");
}

static void attachments_that_stay_keep_their_place(void **state)
{
	static const struct store_attachment file = { SLICE_INIT("x"), SLICE_INIT("a/b"),
						      SLICE_INIT("new") };
	static const int64_t kept[] = { 2, 0 };
	const struct store_hold_edit e = {
		.has_attachments = true,
		.kept = kept,
		.kept_n = ARRAY_LEN(kept),
		.files_n = 3,
		.attachments = &file,
		.attachments_n = 1,
	};
	const struct act t = { .by = &by_key, .id = S("msg_1"), .verb = APPROVE, .edit = &e };

	(void)state;
	change("INSERT INTO outbound_attachments (message_id, n, filename, content_type, data) "
	       "SELECT 'msg_1', i, 'f' || i, 'a/b', 'old' FROM generate_series(2, 3) i");
	assert_int_equal(act(t), STORE_DECIDED);
	assert_text("SELECT string_agg(n || filename, ' ' ORDER BY n) FROM outbound_attachments",
		    "1a.txt 3f3 4x");
	assert_text("SELECT concat_ws(' ', edited, approved_hash = draft_hash(id)) FROM messages",
		    "t t");
}

static void edited_means_that_something_differs(void **state)
{
	static const struct slice to[] = { SLICE_INIT("a@w.example"), SLICE_INIT("bot@y.example"),
					   SLICE_INIT("c@w.example"), SLICE_INIT("d@w.example") };
	const struct {
		struct store_hold_edit edit;
		const char *want;
	} rows[] = {
		{ { .has_subject = false }, "f" },
		{ { .has_subject = true, .subject = S("Subject") }, "f" },
		{ { .has_text = true, .text = S("Text") }, "f" },
		{ { .has_html = true, .html = S("<p>Text") }, "f" },
		{ { .has_recipients = true,
		    .to = { to, 2 },
		    .cc = { to + 2, 1 },
		    .bcc = { to + 3, 1 },
		    .folded = { to, 4 } },
		  "f" },
		{ { .has_recipients = true,
		    .to = { to, 1 },
		    .cc = { to + 1, 2 },
		    .bcc = { to + 3, 1 },
		    .folded = { to, 4 } },
		  "t" },
		{ { .has_recipients = true, .to = { to, 2 }, .folded = { to, 2 } }, "t" },
		{ { .has_subject = true, .subject = S("") }, "t" },
		{ { .has_subject = true, .subject = S("Subject"), .has_text = true, .text = S("") },
		  "t" },
		{ { .has_html = true, .html = S("") }, "t" },
		{ { .has_attachments = true }, "t" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		held(state);
		assert_row(i, edit(&rows[i].edit) == STORE_DECIDED);
		assert_text(arena_printf(&a, "SELECT concat_ws(' ', %zu, edited) FROM messages", i),
			    arena_printf(&a, "%zu %s", i, rows[i].want));
	}
	assert_int_equal(edit(&rows[0].edit), STORE_DECIDED);
	assert_text("SELECT edited::text FROM messages", "true"); /* it stays */
}

static void a_test_mail_goes_to_nobody_but_its_agent(void **state)
{
	static const struct slice own = SLICE_INIT("shy@x.example");
	const struct store_hold_edit others = { .has_recipients = true,
						.to = { list + 2, 1 },
						.folded = { list + 2, 1 } };
	const struct store_hold_edit none = { .has_recipients = true };
	const struct store_hold_edit same = { .has_recipients = true,
					      .has_subject = true,
					      .to = { &own, 1 },
					      .folded = { &own, 1 } };
	struct act t = { .by = &by_key, .id = S("msg_1"), .verb = EDIT, .edit = &others };
	struct fail fail = { 0 };

	(void)state;
	change("UPDATE messages SET type = 'test', header_from = 'noreply@x.example'");
	assert_true(try_act(&t, &fail) != OK);
	t.edit = &none;
	assert_true(try_act(&t, &fail) != OK);
	assert_untouched();
	assert_int_equal(edit(&same), STORE_DECIDED);
}

static void another_draft_has_another_hash(void **state)
{
	static const char *const changes[] = {
		"UPDATE messages SET subject = 'x'",
		"UPDATE messages SET to_addresses = '{}'",
		"UPDATE messages SET cc_addresses = bcc_addresses, bcc_addresses = cc_addresses",
		"UPDATE messages SET header_from = 'x@x.example'",
		"UPDATE messages SET email_message_id = '<2@x.example>'",
		"UPDATE messages SET in_reply_to = '<2@x.example>'",
		"UPDATE messages SET conversation_id = 'x'",
		"UPDATE messages SET auto_submitted = 'auto-replied'",
		"UPDATE messages SET type = 'reply'",
		"UPDATE outbound_drafts SET body_text = 'text'",
		"UPDATE outbound_drafts SET body_text = body_text || body_html, body_html = ''",
		"UPDATE outbound_drafts SET reference_ids = '{<2@x.example>}'",
		"UPDATE outbound_recipients SET folded = 'x@w.example' WHERE n = 1",
		"UPDATE outbound_recipients SET kind = 'bcc' WHERE n = 1",
		"DELETE FROM outbound_recipients WHERE n = 4",
		"UPDATE outbound_attachments SET filename = 'x'",
		"UPDATE outbound_attachments SET content_type = 'x/y'",
		"UPDATE outbound_attachments SET data = 'x'",
		"DELETE FROM outbound_attachments",
		("INSERT INTO outbound_attachments (message_id, n, filename, content_type, data) "
		 "VALUES ('msg_1', 2, '', '', '')"),
	};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		held(state);
		change("UPDATE messages SET approved_hash = draft_hash(id)");
		change(changes[i]);
		assert_text(arena_printf(&a,
					 "SELECT concat_ws(' ', %zu, approved_hash = "
					 "draft_hash(id)) FROM messages",
					 i),
			    arena_printf(&a, "%zu f", i));
	}
}

/* ---- tokens ---- */

/* Of 32 bytes each, as the hash of one has. */
#define TOKEN(c) "" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c ""
static const char sql_tokens[] =
	"INSERT INTO reviewers (id, user_id, agent_email, address, folded, state, full_text,"
	" by_reply, link_hash, link_expires_at, confirmed_at) VALUES"
	" ('r1', 'u', 'Shy@x.example', 'Ann@w.example', 'ann@w.example', 'active', true, true,"
	"  '1', now(), now()),"
	" ('r2', 'u', 'Shy@x.example', 'bob@w.example', 'bob@w.example', 'active', true, false,"
	"  '2', now(), now()),"
	" ('r3', 'u', 'Shy@x.example', 'eve@w.example', 'eve@w.example', 'declined', true, true,"
	"  '3', now(), now());"
	"INSERT INTO approval_tokens (hash, message_id, user_id, action, reviewer, nonce,"
	" draft_hash, expires_at) SELECT convert_to(repeat(t.c, 32), 'UTF8'), t.message,"
	" t.owner, t.action, t.reviewer, '', CASE t.c WHEN 'c' THEN 'x' ELSE"
	" draft_hash('msg_1') END, now() + t.span * interval '1 s' FROM (VALUES"
	" ('a', 'msg_1', 'u', 'approve', 'ann@w.example', 60),"
	" ('b', 'msg_1', 'u', 'reject', 'ann@w.example', 60),"
	" ('r', 'msg_1', 'u', 'reply', 'ann@w.example', 60),"
	" ('c', 'msg_1', 'u', 'approve', 'ann@w.example', 60),"
	" ('o', 'msg_1', 'u', 'approve', 'ann@w.example', 0),"
	" ('v', 'msg_1', 'v', 'approve', 'ann@w.example', 60),"
	" ('m', 'msg_2', 'u', 'approve', 'ann@w.example', 60),"
	" ('s', 'msg_1', 'u', 'reply', 'bob@w.example', 60),"
	" ('e', 'msg_1', 'u', 'approve', 'eve@w.example', 60),"
	" ('f', 'msg_1', 'u', 'approve', 'u@u.example', 60)"
	") AS t (c, message, owner, action, reviewer, span);";

static void a_token_is_good_for_one_act_of_one_reviewer_on_one_mail(void **state)
{
	static const struct {
		const char *token, *user, *id;
		bool by_reply;
		enum verb verb;
		enum store_decision want;
		const char *state;
	} rows[] = {
		{ TOKEN("a"), "u", "msg_1", false, APPROVE, STORE_DECIDED,
		  "sent|link|ann@w.example|t|t|t|" },
		{ TOKEN("b"), "u", "msg_1", false, REJECT, STORE_DECIDED,
		  "rejected|link|ann@w.example|t|t|f|No \"way\"\n<b>" },
		{ TOKEN("r"), "u", "msg_1", true, APPROVE, STORE_DECIDED,
		  "sent|mail|ann@w.example|t|t|t|" },
		{ TOKEN("r"), "u", "msg_1", true, REJECT, STORE_DECIDED,
		  "rejected|mail|ann@w.example|t|t|f|No \"way\"\n<b>" },
		{ TOKEN("a"), "u", "msg_1", false, REJECT, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("b"), "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("r"), "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("a"), "u", "msg_1", true, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("c"), "u", "msg_1", false, APPROVE, STORE_DECIDE_CHANGED, NULL },
		{ TOKEN("o"), "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("v"), "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("v"), "v", "msg_1", false, APPROVE, STORE_DECIDE_ABSENT, NULL },
		{ TOKEN("m"), "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("m"), "u", "msg_2", false, APPROVE, STORE_DECIDE_ABSENT, NULL },
		{ TOKEN("s"), "u", "msg_1", true, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ TOKEN("e"), "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		/* the owner is not asked while others are */
		{ TOKEN("f"), "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
		{ "a", "u", "msg_1", false, APPROVE, STORE_DECIDE_UNAUTHORIZED, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct store_decider by = {
			.account = { .user_id = slice_str(rows[i].user) },
			.token_hash = slice_str(rows[i].token),
			.by_reply = rows[i].by_reply,
		};
		const struct act t = { .role = rows[i].by_reply ? "e2a_deliverd" : "e2a_apid",
				       .by = &by,
				       .id = slice_str(rows[i].id),
				       .verb = rows[i].verb };

		held(state);
		change(sql_tokens);
		assert_row(i, act(t) == rows[i].want);
		assert_text("SELECT count(*)::text FROM approval_tokens WHERE used_at IS NOT NULL",
			    rows[i].state ? "1" : "0");
		if (rows[i].state)
			assert_text(STATE, rows[i].state);
		else
			assert_untouched();
		if (rows[i].state)
			assert_row(i, act(t) == STORE_DECIDE_RESOLVED);
	}
}

static void a_bad_token_is_not_saved_by_a_good_key(void **state)
{
	const struct store_decider by = { .account = by_key.account, .token_hash = S("none") };

	(void)state;
	assert_int_equal(decide(APPROVE, &by), STORE_DECIDE_UNAUTHORIZED);
	assert_untouched();
}

static void the_owner_is_asked_while_nobody_else_agreed(void **state)
{
	const struct store_decider by = { .account = { .user_id = S("u") },
					  .token_hash = S(TOKEN("f")) };

	(void)state;
	change(sql_tokens);
	change("UPDATE reviewers SET state = 'pending'");
	assert_int_equal(decide(APPROVE, &by), STORE_DECIDED);
	assert_text(STATE, "sent|link|u@u.example|t|t|t|");
}

static void a_token_decides_no_mail_that_became_another(void **state)
{
	static const char *const changes[] = {
		"UPDATE messages SET subject = 'Another'",
		"UPDATE outbound_recipients SET address = 'x@w.example' WHERE n = 1",
		"UPDATE outbound_drafts SET body_text = 'Another'",
		"DELETE FROM outbound_drafts",
	};
	const struct store_decider by = { .account = { .user_id = S("u") },
					  .token_hash = S(TOKEN("a")) };

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		held(state);
		change(sql_tokens);
		change(changes[i]);
		assert_row(i, decide(APPROVE, &by) == STORE_DECIDE_CHANGED);
		assert_text(STATE, "pending_approval|||f|f|f|");
	}
}

/* ---- at once ---- */

static void *decide_in_thread(void *arg)
{
	struct act *t = arg;
	struct fail fail = { 0 };

	return try_act(t, &fail) == OK ? t : NULL;
}

static void one_of_many_deciders_wins(void **state)
{
	struct act acts[DECIDERS];
	pthread_t threads[DECIDERS];

	for (int round = 0; round < ROUNDS; round++) {
		int decided = 0, resolved = 0;

		held(state);
		for (size_t i = 0; i < DECIDERS; i++) {
			acts[i] = (struct act){ .by = i % 2 ? &by_key : &by_session,
						.id = S("msg_1"),
						.verb = i % 4 == 3 ? REJECT : APPROVE };
			pthread_create(&threads[i], NULL, decide_in_thread, &acts[i]);
		}
		for (size_t i = 0; i < DECIDERS; i++) {
			void *done;

			pthread_join(threads[i], &done);
			assert_row(i, done);
			decided += acts[i].got == STORE_DECIDED;
			resolved += acts[i].got == STORE_DECIDE_RESOLVED;
		}
		assert_int_equal(decided, 1);
		assert_int_equal(resolved, DECIDERS - 1);
		assert_text("SELECT count(*)::text FROM message_events WHERE stage = 'hold'", "1");
		assert_text("SELECT (count(*) = CASE (SELECT status FROM messages) WHEN 'sent' "
			    "THEN 2 ELSE 0 END)::text FROM outbound_jobs",
			    "true");
	}
}

/* ---- time ---- */

static void expire(struct arena *a, int64_t limit, struct store_expired **ret, size_t *ret_n)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };

	assert_ok(store_decide_expire(db, limit, LIFETIME_MS, true, a, ret, ret_n, &fail), &fail);
}

#define OVER "UPDATE messages SET approval_expires_at = now() - interval '1 s';"
#define APPROVES "UPDATE agents SET hitl_expiration_action = 'approve';"

static void a_hold_ends_by_time_as_its_agent_says(void **state)
{
	static const struct {
		const char *sql, *status, *why, *state;
	} rows[] = {
		{ OVER, "expired_rejected", "ttl_expired",
		  "expired_rejected|expiry||f|t|f|ttl_expired" },
		{ OVER APPROVES, "expired_approved", "", "expired_approved|expiry||f|t|t|" },
		{ OVER APPROVES "UPDATE messages SET hold_reason = 'reply_budget'",
		  "expired_rejected", "ttl_expired", "expired_rejected|expiry||f|t|f|ttl_expired" },
		{ OVER APPROVES "UPDATE domains SET verified = false WHERE id = 'd'",
		  "expired_rejected", "auto-approve failed: agent domain not verified",
		  "expired_rejected|expiry||f|t|f|auto-approve failed: agent domain not verified" },
		{ OVER APPROVES "INSERT INTO suppressions (user_id, address, reason) "
				"SELECT 'u', r.folded, 'bounce' FROM outbound_recipients r",
		  "expired_rejected",
		  "auto-approve send failed: every recipient is on the suppression list",
		  "expired_rejected|expiry||f|t|f|"
		  "auto-approve send failed: every recipient is on the suppression list" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct store_expired *v;
		size_t n;

		held(state);
		change(rows[i].sql);
		expire(&a, 100, &v, &n);
		assert_row(i, n == 1);
		assert_slice_row(v[0].message_id, S("msg_1"), i);
		assert_slice_row(v[0].status, slice_str(rows[i].status), i);
		assert_slice_row(v[0].why, slice_str(rows[i].why), i);
		assert_text(STATE, rows[i].state);
		assert_text(LEDGER, slice_starts(slice_str(rows[i].state), S("expired_approved"))
					    ? "outbound held hitl, hold approved expiry  false"
					    : "outbound held hitl, hold expired expiry ");
		expire(&a, 100, &v, &n);
		assert_row(i, n == 0);
	}
}

static void a_human_is_not_too_late_before_the_sweep(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_expired *v;
	size_t n;

	(void)state;
	change(OVER);
	assert_int_equal(decide(APPROVE, &by_key), STORE_DECIDED);
	expire(&a, 100, &v, &n);
	assert_int_equal(n, 0);
	assert_text(STATE, "sent|api|ak|t|t|t|");
}

static void the_oldest_end_first_and_what_cannot_end_harms_none(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_expired *v;
	size_t n;

	(void)state;
	change("INSERT INTO messages (id, user_id, agent_email, direction, status, hold_reason,"
	       " approval_expires_at, expires_at) SELECT 'msg_' || i, 'u', 'Shy@x.example',"
	       " 'outbound', 'pending_approval', 'hitl', now() - i * interval '1 min',"
	       " now() + interval '1 d' FROM generate_series(2, 5) i;"
	       "INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part)"
	       " SELECT 'msg_' || i, 1, 'to', 'a@w.example', 'a@w.example', 'world'"
	       " FROM generate_series(2, 5) i;"
	       "INSERT INTO outbound_drafts (message_id, body_text)" /* msg_4 has none */
	       " SELECT 'msg_' || i, 'x' FROM unnest('{2,3,5}'::int[]) i;" APPROVES);
	expire(&a, 3, &v, &n);
	assert_int_equal(n, 3);
	assert_slice(v[0].message_id, S("msg_5"));
	assert_slice(v[1].message_id, S("msg_4"));
	assert_slice(v[1].status, S(""));
	assert_slice(v[1].why, S("a hold without a draft"));
	assert_slice(v[2].message_id, S("msg_3"));
	assert_text("SELECT string_agg(id || status, ' ' ORDER BY id) FROM messages",
		    "msg_1pending_approval msg_2pending_approval msg_3expired_approved "
		    "msg_4pending_approval msg_5expired_approved");
}

static void a_sweep_leaves_what_somebody_is_deciding(void **state)
{
	AUTO(db_closep) struct db *other = fresh_open(DATABASE, NULL);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_expired *v;
	size_t n;

	(void)state;
	change(OVER);
	fresh_script(other, "BEGIN; SELECT reject_hold('msg_1', 'u', 'ak', '', '', false, 'x')");
	expire(&a, 100, &v, &n);
	assert_int_equal(n, 0);
	fresh_script(other, "COMMIT");
	assert_text(STATE, "rejected|api|ak|t|t|f|x");
}

/* ---- what goes with it ---- */

static void a_hold_that_goes_with_its_agent_is_in_the_ledger(void **state)
{
	(void)state;
	change("DELETE FROM agents WHERE email = 'Shy@x.example'");
	assert_int_equal(decide(APPROVE, &by_key), STORE_DECIDE_ABSENT);
	assert_text(LEDGER, "outbound held hitl, hold dropped message_deleted");
	assert_text("SELECT concat_ws(' ', (SELECT count(*) FROM outbound_drafts), "
		    "(SELECT count(*) FROM outbound_jobs), (SELECT count(*) FROM mail_jobs))",
		    "0 0 0");
}

static void who_decided_is_in_the_ledger_as_long_as_the_mail_is_there(void **state)
{
	static const char *const ends[] = {
		"DELETE FROM agents WHERE email = 'Shy@x.example'",
		"DELETE FROM messages",
		"SELECT delete_account('u', 'ak', '', 'account_deleted')",
	};
	static const struct db_stmt found = {
		"t_found", "SELECT FROM message_events e WHERE e.detail::text LIKE '%u@u.example%'",
		false
	};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
		struct fail fail = { 0 };
		size_t n;

		held(state);
		assert_row(i, decide(i % 2 ? APPROVE : REJECT, &by_session) == STORE_DECIDED);
		assert_ok(db_query_count(db, &found, NULL, &n, &fail), &fail);
		assert_row(i, n == 1);
		fresh_script(db, ends[i]);
		assert_ok(db_query_count(db, &found, NULL, &n, &fail), &fail);
		assert_row(i, n == 0);
		assert_text("SELECT (count(*) FILTER (WHERE detail ? 'draft' OR outcome = "
			    "'rejected'))::text FROM message_events WHERE stage = 'hold'",
			    "1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_approved_mail_has_its_jobs_and_its_hash, held),
		cmocka_unit_test_setup(a_rejected_mail_has_lost_its_text, held),
		cmocka_unit_test_setup(a_reminder_under_way_is_left_to_whoever_sends_it, held),
		cmocka_unit_test_setup(what_was_decided_is_not_decided_again, held),
		cmocka_unit_test_setup(nobody_decides_without_a_credential_of_the_account, held),
		cmocka_unit_test_setup(inbound_mail_is_no_hold, held),
		cmocka_unit_test_setup(what_cannot_leave_now_stays_held, held),
		cmocka_unit_test_setup(a_hold_without_its_draft_is_not_sent, held),
		cmocka_unit_test_setup(what_is_given_replaces_what_was_there, held),
		cmocka_unit_test_setup(attachments_that_stay_keep_their_place, held),
		cmocka_unit_test_setup(edited_means_that_something_differs, held),
		cmocka_unit_test_setup(a_test_mail_goes_to_nobody_but_its_agent, held),
		cmocka_unit_test_setup(another_draft_has_another_hash, held),
		cmocka_unit_test_setup(a_token_is_good_for_one_act_of_one_reviewer_on_one_mail,
				       held),
		cmocka_unit_test_setup(a_bad_token_is_not_saved_by_a_good_key, held),
		cmocka_unit_test_setup(the_owner_is_asked_while_nobody_else_agreed, held),
		cmocka_unit_test_setup(a_token_decides_no_mail_that_became_another, held),
		cmocka_unit_test_setup(one_of_many_deciders_wins, held),
		cmocka_unit_test_setup(a_hold_ends_by_time_as_its_agent_says, held),
		cmocka_unit_test_setup(a_human_is_not_too_late_before_the_sweep, held),
		cmocka_unit_test_setup(the_oldest_end_first_and_what_cannot_end_harms_none, held),
		cmocka_unit_test_setup(a_sweep_leaves_what_somebody_is_deciding, held),
		cmocka_unit_test_setup(a_hold_that_goes_with_its_agent_is_in_the_ledger, held),
		cmocka_unit_test_setup(who_decided_is_in_the_ledger_as_long_as_the_mail_is_there,
				       held),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
