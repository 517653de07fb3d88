/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading jobs and their ledger. A job that ended well is gone: then the ledger tells. Nothing
 * here writes but the function of the database that makes jobs due (migrations/0025).
 */
#include "common/store/store_delivery.h"

/* The message has to be somebody's before anything of it is told. */
#define MINE                                                                                       \
	"m.user_id = $1 AND m.agent_email = $2 AND m.direction = 'inbound' "                       \
	"AND m.expires_at > now()"
#define UNDER_WAY "j.state = 'pending' AND j.lease_until IS NOT NULL"
#define COLUMNS                                                                                    \
	"m.id, m.header_from, m.subject, m.created_at, coalesce(" UNDER_WAY ", false), "           \
	"j.attempts, CASE WHEN j.state = 'pending' AND j.lease_until IS NULL "                     \
	"THEN j.due_at END, j.last_status, j.last_error"

enum { FIND, LOG, LIST, OWNER, RUN };

const struct db_stmt store_delivery_stmts[] = {
	/* $3 message. What was closed without a call, because its agent left cloud mode, has none.
	 */
	[FIND] = { "delivery_find",
		   "SELECT " COLUMNS ", coalesce(j.state, e.outcome, 'none'), e.attempt, e.status "
		   "FROM messages m LEFT JOIN webhook_jobs j ON j.message_id = m.id "
		   "LEFT JOIN LATERAL (SELECT l.outcome, (l.detail->>'attempt')::bigint AS attempt, "
		   "(l.detail->>'status')::bigint AS status FROM message_events l "
		   "WHERE l.message_id = m.id AND l.stage = 'webhook' AND l.outcome = 'delivered' "
		   "ORDER BY l.id DESC LIMIT 1) e ON j.message_id IS NULL "
		   "WHERE " MINE " AND m.id = $3",
		   false },
	/* $1 message, $2 before, $3 rows */
	[LOG] = { "delivery_log",
		  "SELECT e.id, e.at, e.outcome, e.reason, (e.detail->>'attempt')::bigint, "
		  "(e.detail->>'status')::bigint, (e.detail->>'ms')::bigint, "
		  "e.detail->>'answer', e.detail->>'by' FROM message_events e "
		  "WHERE e.message_id = $1 AND e.stage = 'webhook' AND e.id < $2::bigint "
		  "ORDER BY e.id DESC LIMIT $3::bigint",
		  false },
	/*
	 * $3 state, $4 before, $5 rows that are looked at, before anything is looked up for them.
	 * Mail that is not kept any more is going with its job. LIMIT 1, so that each is found by
	 * its id, and not among all mail of the agent.
	 */
	[LIST] = { "delivery_list",
		   "SELECT " COLUMNS ", j.state, j.message_id FROM (SELECT w.* FROM webhook_jobs w "
		   "WHERE w.agent_email = $2 AND w.state = $3 AND w.message_id < $4 "
		   "ORDER BY w.message_id DESC LIMIT $5::bigint) j "
		   "LEFT JOIN LATERAL (SELECT o.* FROM messages o WHERE o.id = j.message_id LIMIT 1) "
		   "m ON " MINE " ORDER BY j.message_id DESC",
		   false },
	[OWNER] = { "delivery_owner",
		    "SELECT m.user_id, m.agent_email FROM messages m "
		    "WHERE m.id = $1 AND m.direction = 'inbound'",
		    false },
	/*
	 * $3 message or NULL, $4 only failed, $5 since, $6 until, $7 $8 where to go on, $9 rows,
	 * $10 lifetime ms, $11 who asks
	 */
	[RUN] = { "redelivery_run",
		  "SELECT verdict, redelivered, matched, asked, looked, last_at, last_id "
		  "FROM redeliver_webhooks($1, $2, $3, $4::boolean, $5, $6, $7, $8, $9::bigint, "
		  "$10::bigint, $11)",
		  true },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t i, struct arena *a, struct store_delivery *ret)
{
	*ret = (struct store_delivery){
		.message_id = db_text(r, i, 0, a),
		.from = db_text(r, i, 1, a),
		.subject = db_text(r, i, 2, a),
		.received_us = db_time(r, i, 3),
		.under_way = db_bool(r, i, 4),
		.attempts = db_int(r, i, 5),
		.next_us = db_time(r, i, 6),
		.last_status = db_int(r, i, 7),
		.last_error = db_text(r, i, 8, a),
		.state = db_text(r, i, 9, a),
	};
}

static void arg_of(struct db_args *args, const struct store_delivery_of *of)
{
	db_arg_text(args, of->user_id);
	db_arg_text(args, of->agent);
}

enum err store_delivery_find(struct db *db, const struct store_delivery_of *of, struct arena *a,
			     struct store_delivery *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_of(&args, of);
	db_arg_text(&args, of->message_id);
	e = db_query(db, &store_delivery_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such message");
	read_row(r, 0, a, ret);
	if (!db_is_null(r, 0, 10)) {
		ret->attempts = db_int(r, 0, 10);
		ret->last_status = db_int(r, 0, 11);
	}
	return OK;
}

static void read_event(const struct db_rows *r, size_t i, struct arena *a,
		       struct store_delivery_event *ret)
{
	*ret = (struct store_delivery_event){
		.id = db_int(r, i, 0),
		.at_us = db_time(r, i, 1),
		.outcome = db_text(r, i, 2, a),
		.reason = db_text(r, i, 3, a),
		.attempt = db_int(r, i, 4),
		.status = db_int(r, i, 5),
		.duration_ms = db_is_null(r, i, 6) ? -1 : db_int(r, i, 6),
		.answer = db_text(r, i, 7, a),
		.by = db_text(r, i, 8, a),
	};
}

/* Of one row more than were asked for. */
static size_t cut(const struct db_rows *r, int64_t limit, bool *ret_more)
{
	size_t n = db_rows_count(r);

	*ret_more = n > (size_t)limit;
	return *ret_more ? (size_t)limit : n;
}

enum err store_delivery_log(struct db *db, struct slice message_id, int64_t before_id,
			    int64_t limit, struct arena *a, struct store_delivery_event **ret,
			    size_t *ret_n, bool *ret_more, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, message_id);
	db_arg_int(&args, before_id);
	db_arg_int(&args, limit + 1);
	e = db_query(db, &store_delivery_stmts[LOG], &args, &r, fail);
	if (e)
		return e;
	*ret_n = cut(r, limit, ret_more);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_event(r, i, a, &(*ret)[i]);
	return OK;
}

/* One row more than were asked for tells whether there are more; some may not be shown. */
static void read_list(const struct db_rows *r, int64_t limit, struct arena *a,
		      struct store_delivery_page *ret)
{
	bool more;
	size_t n = cut(r, limit, &more);

	*ret = (struct store_delivery_page){ .v = arena_calloc(a, n, sizeof(*ret->v)) };
	for (size_t i = 0; i < n; i++)
		if (!db_is_null(r, i, 0))
			read_row(r, i, a, &ret->v[ret->n++]);
	if (more)
		ret->next = db_text(r, n - 1, 10, a);
}

enum err store_delivery_list(struct db *db, const struct store_delivery_of *of, struct slice state,
			     int64_t limit, struct arena *a, struct store_delivery_page *ret,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_of(&args, of);
	db_arg_text(&args, state);
	db_arg_text(&args, of->message_id.n ? of->message_id : S("n")); /* behind msg_ */
	db_arg_int(&args, limit + 1);
	e = db_query(db, &store_delivery_stmts[LIST], &args, &r, fail);
	if (e == OK)
		read_list(r, limit, a, ret);
	return e;
}

enum err store_delivery_owner(struct db *db, struct slice message_id, struct arena *a,
			      struct store_delivery_of *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, message_id);
	e = db_query(db, &store_delivery_stmts[OWNER], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such message");
	*ret = (struct store_delivery_of){ db_text(r, 0, 0, a), db_text(r, 0, 1, a), message_id };
	return OK;
}

static void arg_bound(struct db_args *args, int64_t t_us, int64_t none)
{
	if (t_us == none)
		db_arg_null(args);
	else
		db_arg_time(args, t_us);
}

static void arg_redelivery(struct db_args *args, const struct store_redelivery *what)
{
	db_arg_text(args, what->user_id);
	db_arg_text(args, what->agent);
	db_arg_text_or_null(args, what->message);
	db_arg_bool(args, !what->all);
	arg_bound(args, what->since_us, INT64_MIN);
	arg_bound(args, what->until_us, INT64_MAX);
	db_arg_time(args, what->after_us);
	db_arg_text(args, what->after_id);
	db_arg_int(args, STORE_REDELIVERY_MAX);
	db_arg_int(args, what->lifetime_ms);
	db_arg_text(args, what->by);
}

static enum err judge(struct slice verdict, struct fail *fail)
{
	if (slice_eq(verdict, S("ok")))
		return OK;
	if (slice_eq(verdict, S("not_cloud")))
		return fail_set(fail, ERR_CONFLICT, STORE_REDELIVERY_NOT_CLOUD);
	if (slice_eq(verdict, S("disabled")))
		return fail_set(fail, ERR_CONFLICT, STORE_REDELIVERY_DISABLED);
	return fail_set(fail, ERR_NOT_FOUND, "no such agent or message");
}

enum err store_redelivery_run(struct db *db, const struct store_redelivery *what, struct arena *a,
			      struct store_redelivered *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_redelivery(&args, what);
	e = db_query(db, &store_delivery_stmts[RUN], &args, &r, fail);
	if (e == ERR_CONFLICT) /* a message went while it was looked at */
		e = fail_set(fail, ERR_STORAGE, "%s", fail->what);
	if (e == OK)
		e = judge(db_slice(r, 0, 0), fail);
	if (e)
		return e;
	*ret = (struct store_redelivered){
		.n = db_int(r, 0, 1),
		.recent = db_int(r, 0, 2) - db_int(r, 0, 3),
		.in_hand = db_int(r, 0, 3) - db_int(r, 0, 1),
		.more = db_int(r, 0, 4) == STORE_REDELIVERY_MAX,
		.after_us = db_time(r, 0, 5),
		.after_id = db_text(r, 0, 6, a),
	};
	return OK;
}
