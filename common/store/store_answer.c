/* SPDX-License-Identifier: Apache-2.0 */
/* Statements of answers. Who knows an address can write to it as often as they like: what they
 * leave behind here is bounded. */
#include "common/store/store_answer.h"

enum { LOCK, READ, IGNORE };

#define OF_THIS_TOKEN                                                                              \
	"e.message_id = t.message_id AND e.stage = 'hold' AND e.outcome = 'ignored' "              \
	"AND e.detail->>'token' = left(encode(t.hash, 'hex'), 16)"

const struct db_stmt store_answer_stmts[] = {
	[LOCK] = { "answer_lock",
		   "SELECT 1 FROM approval_tokens t WHERE t.hash = $1::bytea "
		   "AND t.action = 'reply' FOR NO KEY UPDATE",
		   true },
	/* A statement of its own: who has waited for a lock sees the rest as it was before. */
	[READ] = { "answer_read",
		   "SELECT m.agent_email, m.subject, m.review_channel, m.reviewed_by "
		   "FROM approval_tokens t LEFT JOIN messages m ON m.id = t.message_id "
		   "AND m.user_id = t.user_id WHERE t.hash = $1::bytea",
		   false },
	/* $1 token, $2 reason, $3 queue id, $4 authentic, $5 most. The ledger outlives the
	 * account: no address stands in it. */
	[IGNORE] = { "answer_ignore",
		     "INSERT INTO message_events (message_id, user_id, stage, outcome, reason, "
		     "detail) SELECT t.message_id, t.user_id, 'hold', 'ignored', $2, "
		     "jsonb_build_object('token', left(encode(t.hash, 'hex'), 16), "
		     "'queue_id', $3::text, 'authentic', $4::boolean) "
		     "FROM approval_tokens t WHERE t.hash = $1::bytea "
		     "AND NOT EXISTS (SELECT FROM message_events e WHERE " OF_THIS_TOKEN
		     " AND e.detail->>'queue_id' = $3::text) "
		     "AND (SELECT count(*) FROM message_events e WHERE " OF_THIS_TOKEN
		     " AND e.detail->'authentic' = to_jsonb($4::boolean)) < $5::bigint "
		     "RETURNING 1",
		     true },
	{ 0 },
};

enum err store_answer_lock(struct db *db, struct slice token_hash, struct arena *a,
			   struct store_answer_mail *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT, again = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	size_t n;
	enum err e;

	db_arg_bytes(&args, token_hash);
	e = db_query_count(db, &store_answer_stmts[LOCK], &args, &n, fail);
	if (e)
		return e;
	if (n == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such token");
	db_arg_bytes(&again, token_hash);
	e = db_query(db, &store_answer_stmts[READ], &again, &r, fail);
	if (e)
		return e;
	*ret = (struct store_answer_mail){ db_text(r, 0, 0, a), db_text(r, 0, 1, a),
					   db_text(r, 0, 2, a), db_text(r, 0, 3, a) };
	return OK;
}

enum err store_answer_ignore(struct db *db, const struct store_answer_ignored *i, bool *ret_written,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_bytes(&args, i->token_hash);
	db_arg_text(&args, i->reason);
	db_arg_text(&args, i->queue_id);
	db_arg_bool(&args, i->authentic);
	db_arg_int(&args, i->most);
	e = db_query_count(db, &store_answer_stmts[IGNORE], &args, &n, fail);
	if (e == OK)
		*ret_written = n > 0;
	return e;
}
