/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator may do with jobs of mail from agents. One statement each, with its
 * row of the ledger, so that a worker sees all of it or nothing.
 */
#include "common/store/store_stuck.h"

#include "common/store/store_event.h"

enum { LIST, RESEND, DROP };

/*
 * $1 id. `able` are those in the states for it that no worker has in hand; nothing else
 * of the statement acts on others.
 */
#define JOB(states, more)                                                                          \
	"WITH job AS MATERIALIZED (SELECT j.id, j.message_id, j.user_id, j.part, j.state, "        \
	"j.lease_id IS NOT NULL AND j.lease_until > now() AS busy, "                               \
	"j.state IN (" states ") AND (j.lease_id IS NULL OR j.lease_until <= now())" more          \
	" AS able FROM outbound_jobs j WHERE j.id = $1 FOR UPDATE)"
#define RESENDABLE                                                                                 \
	JOB("'unknown', 'failed'",                                                                 \
	    " AND EXISTS (SELECT FROM outbound_drafts d WHERE d.message_id = j.message_id)")
#define DROPPABLE JOB("'pending', 'unknown'", "")
#define RCPT "r.message_id = job.message_id AND r.part = job.part AND job.able"

const struct db_stmt store_stuck_stmts[] = {
	/* $1 age ms, $2 limit */
	[LIST] = { "stuck_list",
		   "SELECT j.id, j.message_id, j.agent_email, j.part, j.state, j.last_error, "
		   "j.attempts, j.created_at FROM outbound_jobs j "
		   "WHERE j.state IN ('unknown', 'failed') "
		   "OR j.created_at < now() - $1::bigint * interval '1 ms' "
		   "ORDER BY j.created_at, j.id LIMIT $2::bigint",
		   false },
	/*
	 * $2 lifetime ms, $3 reason. A mail that was composed for good is composed and signed
	 * anew: its signature may be over.
	 */
	[RESEND] = { "stuck_resend",
		     RESENDABLE
		     ", "
		     "rcpt AS (UPDATE outbound_recipients r SET status = 'queued', code = '', "
		     "detail = '', updated_at = clock_timestamp() FROM job WHERE " RCPT
		     " AND job.state = 'failed' AND r.status = 'failed' "
		     "AND r.detail <> 'suppressed'), "
		     "kept AS (UPDATE outbound_jobs j SET state = 'pending', attempts = 0, "
		     "due_at = now(), give_up_at = now() + $2::bigint * interval '1 ms', "
		     "lease_id = NULL, lease_until = NULL, last_error = $3 FROM job "
		     "WHERE j.id = job.id AND job.able), "
		     "mail AS (DELETE FROM outbound_mails b USING job "
		     "WHERE b.job_id = job.id AND job.able), "
		     "ledger AS (INSERT INTO message_events (message_id, user_id, stage, outcome, "
		     "reason, detail) SELECT job.message_id, job.user_id, 'outbound', 'resend', "
		     "$3, jsonb_build_object('part', job.part) FROM job WHERE job.able) "
		     "SELECT job.able, job.busy, job.state FROM job",
		     true },
	/* $2 detail, $3 reason */
	[DROP] = { "stuck_drop",
		   DROPPABLE
		   ", "
		   "rcpt AS (UPDATE outbound_recipients r SET status = 'failed', code = '', "
		   "detail = $2, updated_at = clock_timestamp() FROM job WHERE " RCPT
		   " AND r.status = 'queued' RETURNING r.n), "
		   "kept AS (UPDATE outbound_jobs j SET state = 'failed', lease_id = NULL, "
		   "lease_until = NULL, last_error = $3 FROM job "
		   "WHERE j.id = job.id AND job.able), "
		   "ledger AS (INSERT INTO message_events (message_id, user_id, stage, outcome, "
		   "reason, detail) SELECT job.message_id, job.user_id, 'outbound', 'failed', $3, "
		   "jsonb_build_object('part', job.part) FROM job WHERE job.able UNION ALL "
		   "SELECT job.message_id, job.user_id, 'recipient', 'failed', $3, "
		   "jsonb_build_object('recipient', r.n) FROM job, rcpt r) "
		   "SELECT job.able, job.busy, job.state FROM job",
		   true },
	{ 0 },
};

enum err store_stuck_list(struct db *db, int64_t age_ms, int64_t limit, struct arena *a,
			  struct store_stuck **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_int(&args, age_ms);
	db_arg_int(&args, limit);
	e = db_query(db, &store_stuck_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct store_stuck){
			.id = db_text(r, i, 0, a),
			.message_id = db_text(r, i, 1, a),
			.agent_email = db_text(r, i, 2, a),
			.part = db_text(r, i, 3, a),
			.state = db_text(r, i, 4, a),
			.last_error = db_text(r, i, 5, a),
			.attempts = db_int(r, i, 6),
			.created_us = db_time(r, i, 7),
		};
	return OK;
}

static enum err decide(struct db *db, const struct db_stmt *stmt, struct db_args *args,
		       struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, stmt, args, &r, fail);

	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such job");
	if (db_bool(r, 0, 0))
		return OK;
	if (db_bool(r, 0, 1))
		return fail_set(fail, ERR_BUSY, "e2a-deliverd is at this job, try again later");
	return fail_set(fail, ERR_CONFLICT, "not for a job that is %.*s",
			SLICE_ARGS(db_slice(r, 0, 2)));
}

enum err store_stuck_resend(struct db *db, struct slice id, int64_t lifetime_ms, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, id);
	db_arg_int(&args, lifetime_ms);
	db_arg_text(&args, slice_str(event_reason_name(EVENT_OPERATOR)));
	return decide(db, &store_stuck_stmts[RESEND], &args, fail);
}

enum err store_stuck_drop(struct db *db, struct slice id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, id);
	db_arg_text(&args, S(STORE_STUCK_DROPPED));
	db_arg_text(&args, slice_str(event_reason_name(EVENT_OPERATOR)));
	return decide(db, &store_stuck_stmts[DROP], &args, fail);
}
