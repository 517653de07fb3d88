/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the ledger of one mail. Nothing here tells of a mail that was not found first. */
#include "common/store/store_history.h"

/* What of a written mail an agent may see of itself is what store_sent.c shows it. */
#define LEFT "m.status IN ('sent', 'expired_approved')"

enum { FIND, LIST };

const struct db_stmt store_history_stmts[] = {
	/* $3 message, $4 for the agent's own key */
	[FIND] = { "history_find",
		   "SELECT m.direction = 'inbound' FROM messages m "
		   "WHERE m.user_id = $1 AND m.agent_email = $2 AND m.id = $3 "
		   "AND (m.direction = 'inbound' OR NOT $4::boolean OR " LEFT ") "
		   "AND (m.expires_at > now() OR (m.status = 'pending_approval' "
		   "AND NOT $4::boolean))",
		   false },
	/*
	 * $1 message, $2 after, $3 rows, $4 for the agent's own key: to it a mail was accepted
	 * when it was, whoever had to look at it first. The statement that stores a mail may
	 * write what came of it before that it was stored.
	 */
	[LIST] = { "history_list",
		   "SELECT k.place, e.at, e.stage, "
		   "CASE WHEN h.hidden THEN 'accepted' ELSE e.outcome END, "
		   "CASE WHEN h.hidden THEN '' ELSE e.reason END, "
		   "(e.detail->>'attempt')::bigint, (e.detail->>'status')::bigint, "
		   "(e.detail->>'ms')::bigint, e.detail->>'part', r.address, e.detail->>'code', "
		   "e.detail->>'by' FROM message_events e "
		   "CROSS JOIN LATERAL (SELECT $4::boolean AND e.stage = 'outbound' "
		   "AND e.outcome = 'held' AS hidden) h "
		   "CROSS JOIN LATERAL (SELECT CASE e.stage WHEN 'ingest' THEN 0 ELSE e.id END "
		   "AS place) k "
		   "LEFT JOIN outbound_recipients r ON r.message_id = e.message_id "
		   "AND r.n = (e.detail->>'recipient')::bigint "
		   "WHERE e.message_id = $1 AND k.place > $2::bigint "
		   "AND NOT ($4::boolean AND e.stage = 'hold') "
		   "ORDER BY k.place LIMIT $3::bigint",
		   false },
	{ 0 },
};

enum err store_history_find(struct db *db, const struct store_history_of *of, bool *ret_inbound,
			    struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, of->user_id);
	db_arg_text(&args, of->agent);
	db_arg_text(&args, of->message_id);
	db_arg_bool(&args, of->for_agent);
	e = db_query(db, &store_history_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such message");
	*ret_inbound = db_bool(r, 0, 0);
	return OK;
}

static void read_event(const struct db_rows *r, size_t i, struct arena *a,
		       struct store_history_event *ret)
{
	*ret = (struct store_history_event){
		.place = db_int(r, i, 0),
		.at_us = db_time(r, i, 1),
		.stage = db_text(r, i, 2, a),
		.outcome = db_text(r, i, 3, a),
		.reason = db_text(r, i, 4, a),
		.attempt = db_int(r, i, 5),
		.status = db_int(r, i, 6),
		.duration_ms = db_is_null(r, i, 7) ? -1 : db_int(r, i, 7),
		.part = db_text(r, i, 8, a),
		.recipient = db_text(r, i, 9, a),
		.code = db_text(r, i, 10, a),
		.by = db_text(r, i, 11, a),
	};
}

enum err store_history_list(struct db *db, const struct store_history_of *of, int64_t after,
			    int64_t limit, struct arena *a, struct store_history_event **ret,
			    size_t *ret_n, bool *ret_more, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, of->message_id);
	db_arg_int(&args, after);
	db_arg_int(&args, limit + 1);
	db_arg_bool(&args, of->for_agent);
	e = db_query(db, &store_history_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret_more = *ret_n > (size_t)limit;
	if (*ret_more)
		*ret_n = (size_t)limit;
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_event(r, i, a, &(*ret)[i]);
	return OK;
}
