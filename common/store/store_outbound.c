/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the outbound queue. A claim commits before anything is sent, and
 * every write compares the lease: a worker that comes back late changes nothing. The
 * ledger rows of a fact are written by the statement that makes it.
 */
#include "common/store/store_outbound.h"

#include <assert.h>

enum { CLAIM, SUPPRESS, LOAD, KEEP, ATTEMPT, FINISH, ERASE, TRACE };

/*
 * $3 users at most who have something due, from the one behind $6 on: one step through the
 * index for each, however many users and jobs wait.
 */
#define NEXT_USER(after)                                                                           \
	"SELECT j.user_id FROM outbound_jobs j WHERE j.state = 'pending' "                         \
	"AND j.due_at <= now() AND j.user_id > " after " ORDER BY j.user_id LIMIT 1"
#define USERS                                                                                      \
	"RECURSIVE users AS (SELECT (" NEXT_USER(                                                  \
		"$6") ") AS user_id, 1 AS n UNION ALL "                                            \
		      "SELECT (" NEXT_USER(                                                        \
			      "u.user_id") "), u.n + 1 FROM users u "                              \
					   "WHERE u.user_id IS NOT NULL AND u.n < $3::bigint)"

/* A mail of which `approved_hash` has to be that of the draft; whatever else says so. */
#define HELD "(m.hold_reason <> '' OR m.approved_hash IS NOT NULL)"

const struct db_stmt store_outbound_stmts[] = {
	/*
	 * $1 lease, $2 lease ms, $3 limit, $4 bytes, $5 any size, $6 behind which user. The
	 * users in turn: the first job of each, then the second, ... Some more than the limit
	 * are looked at, because another worker may be claiming the same ones. The arrays and
	 * the CASE are for the planner, which would guess that there are so many that it is best
	 * to go through all jobs, or so few that are due that all of these can be gone through.
	 */
	[CLAIM] = { "outbound_claim",
		    "WITH " USERS ", due AS MATERIALIZED (SELECT array_agg(d.id) AS ids, "
		    "array_agg(d.turn) AS turns, array_agg(d.due_at) AS times "
		    "FROM users u CROSS JOIN LATERAL (SELECT t.*, row_number() OVER "
		    "(ORDER BY t.due_at, t.id) AS turn FROM (SELECT j.id, j.due_at "
		    "FROM outbound_jobs j WHERE j.user_id = u.user_id AND j.state = 'pending' "
		    "AND j.due_at <= now() ORDER BY j.due_at LIMIT 3 * $3::bigint) t) d "
		    "WHERE u.user_id IS NOT NULL), "
		    "mine AS MATERIALIZED (SELECT j.id, j.size, d.turn, d.due_at FROM due, "
		    "unnest(due.ids, due.turns, due.times) AS d (id, turn, due_at) "
		    "JOIN outbound_jobs j ON j.id = d.id WHERE CASE "
		    "WHEN j.state = 'pending' AND j.due_at <= now() THEN true ELSE false END "
		    "ORDER BY d.turn, d.due_at, d.id LIMIT $3::bigint "
		    "FOR UPDATE OF j SKIP LOCKED), "
		    "sized AS MATERIALIZED (SELECT m.id, sum(m.size) OVER w AS total, "
		    "row_number() OVER w AS n FROM mine m "
		    "WINDOW w AS (ORDER BY m.turn, m.due_at, m.id)) "
		    "UPDATE outbound_jobs j SET state = 'injecting', lease_id = $1, "
		    "lease_until = now() + $2::bigint * interval '1 ms', "
		    "attempts = j.attempts + 1 FROM sized s WHERE j.id = s.id "
		    "AND (s.total <= $4::bigint OR (s.n = 1 AND $5::boolean)) "
		    "RETURNING j.id, j.user_id",
		    true },
	/* $1 jobs */
	[SUPPRESS] = { "outbound_suppress",
		       "WITH hit AS (UPDATE outbound_recipients r SET status = 'failed', "
		       "detail = 'suppressed', updated_at = clock_timestamp() "
		       "FROM outbound_jobs j, suppressions s WHERE j.id = ANY ($1::text[]) "
		       "AND r.message_id = j.message_id AND CASE WHEN r.part = j.part "
		       "AND r.status = 'queued' THEN true ELSE false END "
		       "AND s.user_id = j.user_id AND s.address = r.folded "
		       "RETURNING r.message_id, j.user_id, r.n) "
		       "INSERT INTO message_events (message_id, user_id, stage, outcome, reason, "
		       "detail) SELECT h.message_id, h.user_id, 'recipient', 'failed', "
		       "'suppressed', jsonb_build_object('recipient', h.n) FROM hit h",
		       true },
	/* $1 jobs. The hash is that of the very rows that are read here: it is one statement. */
	[LOAD] = { "outbound_load",
		   "SELECT j.id, j.message_id, j.user_id, j.agent_email, a.name, a.domain, "
		   "j.part = 'world', j.give_up_at <= now(), j.attempts, j.size, m.type, "
		   "m.header_from, m.email_message_id, m.in_reply_to, m.conversation_id, "
		   "m.auto_submitted, m.subject, coalesce(m.decided_at, m.created_at), "
		   "m.to_addresses, m.cc_addresses, "
		   "CASE WHEN b.job_id IS NULL THEN d.body_text END, "
		   "CASE WHEN b.job_id IS NULL THEN d.body_html END, "
		   "d.reference_ids, r.list, f.names, f.types, f.data, " HELD ", "
		   "d.message_id IS NULL OR CASE WHEN " HELD
		   " THEN m.status NOT IN ('sent', 'expired_approved') "
		   "OR coalesce(m.approved_hash <> draft_hash(m.id), true) ELSE false END, "
		   "b.job_id IS NOT NULL, b.hash, b.mail "
		   "FROM outbound_jobs j JOIN messages m ON m.id = j.message_id "
		   "JOIN agents a ON a.email = j.agent_email "
		   "LEFT JOIN outbound_drafts d ON d.message_id = j.message_id "
		   "LEFT JOIN outbound_mails b ON b.job_id = j.id "
		   "CROSS JOIN LATERAL (SELECT array_agg(p.address ORDER BY p.n) AS list "
		   "FROM outbound_recipients p WHERE p.message_id = j.message_id "
		   "AND p.part = j.part AND p.status = 'queued') r "
		   "CROSS JOIN LATERAL (SELECT array_agg(t.filename ORDER BY t.n) AS names, "
		   "array_agg(t.content_type ORDER BY t.n) AS types, "
		   "array_agg(t.data ORDER BY t.n) AS data FROM outbound_attachments t "
		   "WHERE t.message_id = j.message_id AND b.job_id IS NULL) f "
		   "WHERE j.id = ANY ($1::text[])",
		   false },
	/* $1 job, $2 lease, $3 hash, $4 mail. From here on the job is as large as its mail. */
	[KEEP] = { "outbound_keep",
		   "WITH job AS (UPDATE outbound_jobs j SET size = octet_length($4::bytea) "
		   "WHERE j.id = $1 AND j.lease_id = $2 AND j.state = 'injecting' "
		   "RETURNING j.id, j.message_id, j.user_id, j.part), "
		   "kept AS (INSERT INTO outbound_mails (job_id, hash, mail) "
		   "SELECT job.id, $3::bytea, $4::bytea FROM job), "
		   "ledger AS (INSERT INTO message_events (message_id, user_id, stage, outcome, "
		   "detail) SELECT job.message_id, job.user_id, 'outbound', 'composed', "
		   "jsonb_build_object('part', job.part, 'sha256', encode($3::bytea, 'hex')) "
		   "FROM job) SELECT count(*) FROM job",
		   true },
	/* $1 envelope senders, $2 messages, $3 jobs, $4 parts, $5 host, $6 lease ms */
	[ATTEMPT] = { "outbound_attempt",
		      "INSERT INTO outbound_attempts (verp, message_id, job_id, part, host, "
		      "over_at) SELECT t.verp, t.message_id, t.job_id, t.part, $5, "
		      "clock_timestamp() + $6::bigint * interval '1 ms' "
		      "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) "
		      "AS t (verp, message_id, job_id, part)",
		      true },
	/*
	 * $1 jobs, $2 leases, $3 outcomes, $4 waits, $5 reasons; of recipients: $6 jobs,
	 * $7 addresses, $8 statuses, $9 codes, $10 details. The drafts are locked, so that
	 * of two jobs that end at once the later one sees that it was the last.
	 */
	[FINISH] = { "outbound_finish",
		     "WITH ours AS MATERIALIZED (SELECT j.id, j.message_id, j.user_id, j.part, "
		     "j.attempts, j.state, r.outcome, r.wait_ms, r.reason FROM outbound_jobs j "
		     "JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) "
		     "AS r (id, lease, outcome, wait_ms, reason) "
		     "ON j.id = r.id AND j.lease_id = r.lease ORDER BY j.id FOR UPDATE OF j), "
		     "drafts AS MATERIALIZED (SELECT d.message_id FROM outbound_drafts d "
		     "WHERE d.message_id = ANY (ARRAY(SELECT o.message_id FROM ours o)) "
		     "ORDER BY d.message_id FOR UPDATE), "
		     "rcpt AS (UPDATE outbound_recipients p SET status = t.status, "
		     "code = t.code, detail = t.detail, updated_at = clock_timestamp() "
		     "FROM unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) "
		     "AS t (job, address, status, code, detail) JOIN ours o ON o.id = t.job "
		     "WHERE p.message_id = o.message_id AND p.address = t.address "
		     "AND recipient_rank(t.status) >= recipient_rank(p.status) "
		     "RETURNING p.message_id, o.user_id, p.n, p.status, p.code), "
		     "gone AS (DELETE FROM outbound_jobs j USING ours o "
		     "WHERE j.id = o.id AND o.outcome IN ('taken', 'refused')), "
		     "kept AS (UPDATE outbound_jobs j SET state = CASE o.outcome "
		     "WHEN 'lost' THEN 'injecting' WHEN 'unknown' THEN 'unknown' "
		     "WHEN 'failed' THEN 'failed' ELSE 'pending' END, "
		     "attempts = j.attempts - (o.outcome = 'snoozed')::int, "
		     "due_at = now() + o.wait_ms * interval '1 ms', lease_id = NULL, "
		     "lease_until = now() + o.wait_ms * interval '1 ms', last_error = o.reason "
		     "FROM ours o WHERE j.id = o.id AND o.outcome NOT IN ('taken', 'refused')), "
		     "over AS (UPDATE outbound_attempts t SET over_at = now() FROM ours o "
		     "WHERE t.message_id = o.message_id AND t.job_id = o.id "
		     "AND o.outcome = 'lost' AND t.over_at > now()), "
		     "ledger AS (INSERT INTO message_events (message_id, user_id, stage, "
		     "outcome, reason, detail) SELECT o.message_id, o.user_id, 'outbound', "
		     "o.outcome, o.reason, jsonb_build_object('part', o.part, 'attempt', "
		     "o.attempts) FROM ours o WHERE o.outcome <> 'snoozed' "
		     "AND (o.outcome NOT IN ('lost', 'unknown') OR o.reason = 'no_answer' "
		     "OR (o.outcome = 'unknown' AND o.state <> 'unknown')) UNION ALL SELECT r.message_id, r.user_id, "
		     "'recipient', r.status, '', jsonb_build_object('recipient', r.n, "
		     "'code', r.code) FROM rcpt r WHERE r.status = 'failed') "
		     "SELECT count(*), (SELECT count(*) FROM drafts) FROM ours",
		     true },
	/* $1 jobs that were. A failed one keeps its draft, and so does a hold. */
	[ERASE] = { "outbound_erase",
		    "DELETE FROM outbound_drafts d USING messages m "
		    "WHERE d.message_id = ANY ($1::text[]) AND m.id = d.message_id "
		    "AND m.status <> 'pending_approval' AND NOT EXISTS "
		    "(SELECT FROM outbound_jobs j WHERE j.message_id = d.message_id)",
		    true },
	/* $1 lease, $2 lease ms, $3 host, $4 foreign ms, $5 limit */
	[TRACE] = { "outbound_trace",
		    "WITH late AS MATERIALIZED (SELECT j.id, t.verp, t.started_at, "
		    "t.over_at, "
		    "t.host <> $3 AS foreign_host, t.reported_at IS NOT NULL AS reported, "
		    "j.state = 'unknown' AS was_unknown "
		    "FROM outbound_jobs j CROSS JOIN LATERAL (SELECT s.verp, s.started_at, "
		    "s.over_at, s.host, s.reported_at FROM outbound_attempts s WHERE s.message_id = j.message_id "
		    "AND s.job_id = j.id ORDER BY s.started_at DESC LIMIT 1) t "
		    "WHERE j.state IN ('injecting', 'unknown') AND j.lease_until < now() "
		    "AND (t.host = $3 OR t.reported_at IS NOT NULL OR (j.state = 'injecting' AND j.lease_until < now() "
		    "- $4::bigint * interval '1 ms')) "
		    "ORDER BY j.state, j.lease_until LIMIT $5::bigint FOR UPDATE OF j SKIP LOCKED) "
		    "UPDATE outbound_jobs j SET lease_id = $1, "
		    "lease_until = now() + $2::bigint * interval '1 ms' FROM late l "
		    "WHERE j.id = l.id RETURNING j.id, j.message_id, l.verp, l.started_at, "
		    "l.over_at, "
		    "j.attempts, l.was_unknown, l.foreign_host, l.reported, (SELECT array_agg(p.address "
		    "ORDER BY p.n) FROM outbound_recipients p WHERE p.message_id = j.message_id "
		    "AND p.part = j.part AND p.status = 'queued')",
		    true },
	{ 0 },
};

/* ---- claiming ---- */

static enum err lease(struct db *db, const struct store_outbound_claim *c, struct arena *a,
		      struct slice **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	assert(c->limit <= STORE_OUTBOUND_BATCH_MAX);
	db_arg_text(&args, c->lease_id);
	db_arg_int(&args, c->lease_ms);
	db_arg_int(&args, c->limit);
	db_arg_int(&args, c->max_bytes);
	db_arg_bool(&args, c->any_size);
	db_arg_text(&args, c->after_user);
	e = db_query(db, &store_outbound_stmts[CLAIM], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = db_text(r, i, 0, a);
	return OK;
}

static enum err run_on(struct db *db, int stmt, const struct slice *v, size_t n,
		       struct db_rows **ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_texts(&args, v, n);
	return db_query(db, &store_outbound_stmts[stmt], &args, ret, fail);
}

static void read_attachments(const struct db_rows *r, size_t i, struct arena *a,
			     struct store_outbound_job *j)
{
	struct slice *names, *types, *data;
	size_t n;

	db_slices(r, i, 24, a, &names, &j->attachments_n);
	db_slices(r, i, 25, a, &types, &n);
	db_slices(r, i, 26, a, &data, &n);
	j->attachments = arena_calloc(a, j->attachments_n, sizeof(*j->attachments));
	for (size_t k = 0; k < j->attachments_n; k++)
		j->attachments[k] = (struct store_attachment){ names[k], types[k], data[k] };
}

static void read_job(const struct db_rows *r, size_t i, struct arena *a,
		     struct store_outbound_job *ret)
{
	*ret = (struct store_outbound_job){
		.id = db_slice(r, i, 0),
		.message_id = db_slice(r, i, 1),
		.user_id = db_slice(r, i, 2),
		.agent_email = db_slice(r, i, 3),
		.agent_name = db_slice(r, i, 4),
		.domain = db_slice(r, i, 5),
		.world = db_bool(r, i, 6),
		.expired = db_bool(r, i, 7),
		.attempts = db_int(r, i, 8),
		.size = db_int(r, i, 9),
		.type = db_slice(r, i, 10),
		.author = db_slice(r, i, 11),
		.email_message_id = db_slice(r, i, 12),
		.in_reply_to = db_slice(r, i, 13),
		.conversation_id = db_slice(r, i, 14),
		.auto_submitted = db_slice(r, i, 15),
		.subject = db_slice(r, i, 16),
		.date_us = db_time(r, i, 17),
		.text = db_slice(r, i, 20),
		.html = db_slice(r, i, 21),
		.held = db_bool(r, i, 27),
		.altered = db_bool(r, i, 28),
		.composed = db_bool(r, i, 29),
		.hash = db_slice(r, i, 30),
		.mail = db_slice(r, i, 31),
	};
	db_slices(r, i, 18, a, &ret->to, &ret->to_n);
	db_slices(r, i, 19, a, &ret->cc, &ret->cc_n);
	db_slices(r, i, 22, a, &ret->references, &ret->references_n);
	db_slices(r, i, 23, a, &ret->rcpts, &ret->rcpts_n);
	read_attachments(r, i, a, ret);
}

enum err store_outbound_claim(struct db *db, const struct store_outbound_claim *claim,
			      struct arena *a, struct store_outbound_job **ret, size_t *ret_n,
			      struct db_rows **ret_rows, struct fail *fail)
{
	struct db_rows *r = NULL;
	struct slice *ids;
	size_t n;
	enum err e = lease(db, claim, a, &ids, &n, fail);

	if (e == OK && n)
		e = run_on(db, SUPPRESS, ids, n, NULL, fail);
	if (e == OK && n)
		e = run_on(db, LOAD, ids, n, &r, fail);
	if (e)
		return e;
	*ret_n = r ? db_rows_count(r) : 0;
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_job(r, i, a, &(*ret)[i]);
	*ret_rows = r;
	return OK;
}

enum err store_outbound_keep(struct db *db, struct slice job_id, struct slice lease_id,
			     struct slice hash, struct slice mail, bool *ret_ours,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, job_id);
	db_arg_text(&args, lease_id);
	db_arg_bytes(&args, hash);
	db_arg_bytes(&args, mail);
	e = db_query(db, &store_outbound_stmts[KEEP], &args, &r, fail);
	if (e == OK)
		*ret_ours = db_int(r, 0, 0) == 1;
	return e;
}

enum err store_outbound_attempt(struct db *db, const struct store_outbound_job *jobs, size_t n,
				const struct slice *verps, struct slice host, int64_t lease_ms,
				struct fail *fail)
{
	struct slice messages[STORE_OUTBOUND_BATCH_MAX], ids[STORE_OUTBOUND_BATCH_MAX];
	struct slice parts[STORE_OUTBOUND_BATCH_MAX];
	struct db_args args = DB_ARGS_INIT;

	assert(n <= STORE_OUTBOUND_BATCH_MAX);
	for (size_t i = 0; i < n; i++) {
		messages[i] = jobs[i].message_id;
		ids[i] = jobs[i].id;
		parts[i] = jobs[i].world ? S("world") : S("agents");
	}
	db_arg_texts(&args, verps, n);
	db_arg_texts(&args, messages, n);
	db_arg_texts(&args, ids, n);
	db_arg_texts(&args, parts, n);
	db_arg_text(&args, host);
	db_arg_int(&args, lease_ms);
	return db_query(db, &store_outbound_stmts[ATTEMPT], &args, NULL, fail);
}

/* ---- the end of attempts ---- */

static struct slice outcome_name(enum store_outbound_outcome outcome)
{
	static const struct slice names[] = {
		[STORE_OUTBOUND_TAKEN] = SLICE_INIT("taken"),
		[STORE_OUTBOUND_LATER] = SLICE_INIT("later"),
		[STORE_OUTBOUND_SNOOZED] = SLICE_INIT("snoozed"),
		[STORE_OUTBOUND_LOST] = SLICE_INIT("lost"),
		[STORE_OUTBOUND_UNKNOWN] = SLICE_INIT("unknown"),
		[STORE_OUTBOUND_REFUSED] = SLICE_INIT("refused"),
		[STORE_OUTBOUND_FAILED] = SLICE_INIT("failed"),
	};

	return names[outcome];
}

struct finish {
	const struct store_outbound_result *v;
	size_t n;
	const struct store_outbound_rcpt *rcpts;
	size_t rcpts_n;
	size_t ours;
	struct arena arena;
};

static void arg_results(struct db_args *args, struct finish *f)
{
	struct slice *ids = arena_calloc(&f->arena, 4 * f->n, sizeof(*ids));
	int64_t *waits = arena_calloc(&f->arena, f->n, sizeof(*waits));

	for (size_t i = 0; i < f->n; i++) {
		ids[i] = f->v[i].job_id;
		ids[f->n + i] = f->v[i].lease_id;
		ids[2 * f->n + i] = outcome_name(f->v[i].outcome);
		ids[3 * f->n + i] = slice_str(event_reason_name(f->v[i].reason));
		waits[i] = f->v[i].wait_ms;
	}
	for (size_t c = 0; c < 3; c++)
		db_arg_texts(args, ids + c * f->n, f->n);
	db_arg_ints(args, waits, f->n);
	db_arg_texts(args, ids + 3 * f->n, f->n);
}

static void arg_rcpts(struct db_args *args, struct finish *f)
{
	size_t n = f->rcpts_n;
	struct slice *v = arena_calloc(&f->arena, 5 * n, sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		v[i] = f->rcpts[i].job_id;
		v[n + i] = f->rcpts[i].address;
		v[2 * n + i] = slice_str(f->rcpts[i].status);
		v[3 * n + i] = f->rcpts[i].code;
		v[4 * n + i] = f->rcpts[i].detail;
	}
	for (size_t c = 0; c < 5; c++)
		db_arg_texts(args, v + c * n, n);
}

static enum err erase(struct db *db, struct finish *f, struct fail *fail)
{
	/* "job_" + id + "_" + part: of the message "msg_" + id */
	struct slice *ids = arena_calloc(&f->arena, f->n, sizeof(*ids));

	for (size_t i = 0; i < f->n; i++) {
		struct slice rest = slice_sub(f->v[i].job_id, 4, f->v[i].job_id.n), id;

		slice_cut(&rest, '_', &id);
		ids[i] = slice_str(arena_printf(&f->arena, "msg_%.*s", SLICE_ARGS(id)));
	}
	return run_on(db, ERASE, ids, f->n, NULL, fail);
}

static enum err finish(struct db *db, void *arg, struct fail *fail)
{
	struct finish *f = arg;
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_results(&args, f);
	arg_rcpts(&args, f);
	e = db_query(db, &store_outbound_stmts[FINISH], &args, &r, fail);
	if (e)
		return e;
	f->ours = (size_t)db_int(r, 0, 0);
	return erase(db, f, fail);
}

enum err store_outbound_finish(struct db *db, const struct store_outbound_result *v, size_t n,
			       const struct store_outbound_rcpt *rcpts, size_t rcpts_n,
			       size_t *ret_n, struct fail *fail)
{
	struct finish f = { .v = v, .n = n, .rcpts = rcpts, .rcpts_n = rcpts_n };
	enum err e = db_tx(db, finish, &f, fail);

	arena_release(&f.arena);
	if (e == OK)
		*ret_n = f.ours;
	return e;
}

/* ---- attempts of which nobody knows the end ---- */

enum err store_outbound_trace(struct db *db, const struct store_outbound_trace *t, struct arena *a,
			      struct store_outbound_lost **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, t->lease_id);
	db_arg_int(&args, t->lease_ms);
	db_arg_text(&args, t->host);
	db_arg_int(&args, t->foreign_ms);
	db_arg_int(&args, t->limit);
	e = db_query(db, &store_outbound_stmts[TRACE], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++) {
		struct store_outbound_lost *l = &(*ret)[i];

		l->job_id = db_text(r, i, 0, a);
		l->message_id = db_text(r, i, 1, a);
		l->verp = db_text(r, i, 2, a);
		l->started_us = db_time(r, i, 3);
		l->over_us = db_time(r, i, 4);
		l->attempts = db_int(r, i, 5);
		l->unknown = db_bool(r, i, 6);
		l->foreign = db_bool(r, i, 7);
		l->reported = db_bool(r, i, 8);
		db_texts(r, i, 9, a, &l->rcpts, &l->rcpts_n);
	}
	return OK;
}
