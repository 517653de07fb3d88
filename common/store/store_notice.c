/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Held mail for a notice. Nobody may be told of it who is not asked about it, nor more of it
 * than they chose.
 */
#include "common/store/store_notice.h"

enum { LOCK, LOAD, FILES, REMIND };

const struct db_stmt store_notice_stmts[] = {
	/* $1 job, $2 lease */
	[LOCK] = { "notice_lock",
		   "SELECT 1 FROM messages m JOIN mail_jobs j ON j.message_id = m.id "
		   "WHERE j.id = $1 AND j.lease_id = $2 AND m.status = 'pending_approval' "
		   "FOR NO KEY UPDATE OF m",
		   false },
	/*
	 * $1 job, $2 sender, $3 characters. A reminder is needless while the first mail waits
	 * to be sent.
	 */
	[LOAD] = { "notice_load",
		   "SELECT m.id, m.user_id, m.agent_email, a.domain, m.type, m.hold_reason, "
		   "m.subject, m.to_addresses, m.cc_addresses, m.bcc_addresses, "
		   "m.approval_expires_at, "
		   "(extract(epoch FROM m.approval_expires_at - clock_timestamp()) * 1000)::bigint, "
		   "m.hold_reason = 'hitl' AND a.hitl_expiration_action = 'approve', "
		   "draft_hash(m.id), w.full_text, w.by_reply, "
		   "CASE WHEN w.full_text THEN left(d.body_text, $3::bigint::int) ELSE '' END, "
		   "octet_length(d.body_text), octet_length(d.body_html), "
		   "EXISTS (SELECT FROM agents g WHERE g.address = $2) "
		   "FROM mail_jobs j JOIN messages m ON m.id = j.message_id "
		   "JOIN agents a ON a.email = m.agent_email "
		   "JOIN outbound_drafts d ON d.message_id = m.id "
		   "CROSS JOIN LATERAL (SELECT r.full_text, r.by_reply "
		   "FROM hold_reviewers(m.agent_email) r "
		   "WHERE lower(r.address) = lower(j.recipient) LIMIT 1) w "
		   "WHERE j.id = $1 AND NOT (j.kind = 'hold_reminder' AND EXISTS ("
		   "SELECT FROM mail_jobs f WHERE f.message_id = j.message_id "
		   "AND f.recipient = j.recipient AND f.kind = 'hold' AND f.state = 'pending'))",
		   false },
	/* $1 message */
	[FILES] = { "notice_files",
		    "SELECT f.filename, octet_length(f.data) FROM outbound_attachments f "
		    "WHERE f.message_id = $1 ORDER BY f.n",
		    false },
	/* $1 job, $2 ms before the end. Its Date is when it is due, not when it was planned. */
	[REMIND] = { "notice_remind",
		     "INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, "
		     "due_at, created_at, expires_at) SELECT j.id || '_r', 'hold_reminder', "
		     "j.user_id, j.message_id, j.recipient, '', w.at, w.at, m.approval_expires_at "
		     "FROM mail_jobs j JOIN messages m ON m.id = j.message_id "
		     "CROSS JOIN LATERAL (SELECT m.approval_expires_at "
		     "- $2::bigint * interval '1 ms' AS at) w WHERE j.id = $1 "
		     "ON CONFLICT (id) DO NOTHING",
		     true },
	{ 0 },
};

static enum err lock(struct db *db, const struct store_notice_job *job, bool *ret_pending,
		     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, job->id);
	db_arg_text(&args, job->lease_id);
	e = db_query_count(db, &store_notice_stmts[LOCK], &args, &n, fail);
	if (e == OK)
		*ret_pending = n > 0;
	return e;
}

static void read_row(const struct db_rows *r, struct arena *a, struct store_notice *ret)
{
	*ret = (struct store_notice){
		.message_id = db_text(r, 0, 0, a),
		.user_id = db_text(r, 0, 1, a),
		.agent = db_text(r, 0, 2, a),
		.domain = db_text(r, 0, 3, a),
		.type = db_text(r, 0, 4, a),
		.hold_reason = db_text(r, 0, 5, a),
		.subject = db_text(r, 0, 6, a),
		.expires_us = db_time(r, 0, 10),
		.left_ms = db_int(r, 0, 11),
		.sent_at_expiry = db_bool(r, 0, 12),
		.draft_hash = db_text(r, 0, 13, a),
		.full_text = db_bool(r, 0, 14),
		.by_reply = db_bool(r, 0, 15),
		.text = db_text(r, 0, 16, a),
		.text_bytes = db_int(r, 0, 17),
		.html_bytes = db_int(r, 0, 18),
	};
	db_texts(r, 0, 7, a, &ret->to, &ret->to_n);
	db_texts(r, 0, 8, a, &ret->cc, &ret->cc_n);
	db_texts(r, 0, 9, a, &ret->bcc, &ret->bcc_n);
}

static enum err load_files(struct db *db, struct arena *a, struct store_notice *n,
			   struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	if (!n->full_text)
		return OK;
	db_arg_text(&args, n->message_id);
	e = db_query(db, &store_notice_stmts[FILES], &args, &r, fail);
	if (e)
		return e;
	n->files_n = db_rows_count(r);
	n->files = arena_calloc(a, n->files_n, sizeof(*n->files));
	for (size_t i = 0; i < n->files_n; i++)
		n->files[i] = (struct store_notice_file){ db_text(r, i, 0, a), db_int(r, i, 1) };
	return OK;
}

enum err store_notice_load(struct db *db, const struct store_notice_job *job, int64_t text_max,
			   struct arena *a, struct store_notice *ret,
			   enum store_notice_state *ret_state, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	bool pending = false;
	enum err e = lock(db, job, &pending, fail);

	*ret_state = STORE_NOTICE_NEEDLESS;
	if (e || !pending)
		return e;
	db_arg_text(&args, job->id);
	db_arg_text(&args, job->sender);
	db_arg_int(&args, text_max);
	e = db_query(db, &store_notice_stmts[LOAD], &args, &r, fail);
	if (e || db_rows_count(r) == 0)
		return e;
	*ret_state = db_bool(r, 0, 19) ? STORE_NOTICE_EXPOSED : STORE_NOTICE_NEEDED;
	read_row(r, a, ret);
	return load_files(db, a, ret, fail);
}

enum err store_notice_remind(struct db *db, struct slice job_id, int64_t before_ms,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, job_id);
	db_arg_int(&args, before_ms);
	return db_query(db, &store_notice_stmts[REMIND], &args, NULL, fail);
}
