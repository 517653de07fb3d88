/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints. An agent without a row in webhook_queues never failed. */
#include "common/store/store_endpoint.h"

#include "common/store/store_endpoint_sql.h"

#define JOBS(most) ENDPOINT_COUNT("pending", most) ", " ENDPOINT_COUNT("failed", most)
#define COLUMNS(most)                                                                              \
	"a.email, a.user_id, a.webhook_url, " ENDPOINT_STATE ", q.failures, q.failing_since, "     \
	"CASE WHEN q.open_until IS NOT NULL THEN greatest(q.due_at, q.open_until) "                \
	"ELSE q.due_at END, q.last_status, q.last_failed_at, q.last_error, q.disabled_at, "        \
	"q.disabled_reason, " JOBS(most)
#define AGENT " FROM agents a LEFT JOIN webhook_queues q ON q.agent_email = a.email "

enum { FIND, FIND_ANY, ENABLE, DISABLE, TROUBLE, FAILED };

const struct db_stmt store_endpoint_stmts[] = {
	/* $2 counted */
	[FIND] = { "endpoint_find",
		   "SELECT " COLUMNS("$2") AGENT "WHERE a.email = $1 AND a.user_id = $3", false },
	[FIND_ANY] = { "endpoint_find_any", "SELECT " COLUMNS("$2") AGENT "WHERE a.address = $1",
		       false },
	[ENABLE] = { "endpoint_enable", "SELECT enable_webhook($1, $2)", true },
	[DISABLE] = { "endpoint_disable", "SELECT disable_webhook($1, 'operator')", true },
	/* $1 rows, $2 counted */
	[TROUBLE] = { "endpoint_trouble",
		      "SELECT " COLUMNS(
			      "$2") " FROM (SELECT t.* FROM webhook_queues t "
				    "WHERE t.disabled_at IS NOT NULL OR t.failing_since IS NOT NULL "
				    "ORDER BY coalesce(t.failing_since, t.disabled_at), t.agent_email "
				    "LIMIT $1::bigint) q JOIN agents a ON a.email = q.agent_email "
				    "ORDER BY coalesce(q.failing_since, q.disabled_at), q.agent_email",
		      false },
	/* $1 a user's e-mail address or '', $2 behind which agent, $3 rows */
	[FAILED] = { "endpoint_failed",
		     "SELECT a.email, a.user_id FROM agents a WHERE a.email > $2 AND ($1 = '' OR "
		     "a.user_id = (SELECT u.id FROM users u WHERE lower(u.email) = lower($1))) "
		     "AND EXISTS (SELECT FROM webhook_jobs j WHERE j.agent_email = a.email "
		     "AND j.state = 'failed') ORDER BY a.email LIMIT $3::bigint",
		     false },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t i, struct arena *a, struct store_endpoint *ret)
{
	*ret = (struct store_endpoint){
		.agent = db_text(r, i, 0, a),
		.user_id = db_text(r, i, 1, a),
		.url = db_text(r, i, 2, a),
		.state = db_text(r, i, 3, a),
		.failures = db_int(r, i, 4),
		.failing_us = db_time(r, i, 5),
		.next_us = db_time(r, i, 6),
		.last_status = db_int(r, i, 7),
		.last_fail_us = db_time(r, i, 8),
		.last_error = db_text(r, i, 9, a),
		.disabled_us = db_time(r, i, 10),
		.disabled_reason = db_text(r, i, 11, a),
		.pending = db_int(r, i, 12),
		.failed = db_int(r, i, 13),
	};
}

static enum err find(struct db *db, const struct db_stmt *stmt, struct db_args *args,
		     struct arena *a, struct store_endpoint *ret, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, stmt, args, &r, fail);

	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such agent");
	read_row(r, 0, a, ret);
	return OK;
}

enum err store_endpoint_find(struct db *db, struct slice user_id, struct slice agent,
			     struct arena *a, struct store_endpoint *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, agent);
	db_arg_int(&args, STORE_ENDPOINT_COUNT_MAX + 1);
	db_arg_text(&args, user_id);
	return find(db, &store_endpoint_stmts[FIND], &args, a, ret, fail);
}

enum err store_endpoint_find_any(struct db *db, struct slice address, struct arena *a,
				 struct store_endpoint *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, address);
	db_arg_int(&args, STORE_ENDPOINT_COUNT_MAX + 1);
	return find(db, &store_endpoint_stmts[FIND_ANY], &args, a, ret, fail);
}

enum err store_endpoint_enable(struct db *db, struct slice user_id, struct slice agent,
			       struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent);
	return db_query(db, &store_endpoint_stmts[ENABLE], &args, NULL, fail);
}

enum err store_endpoint_disable(struct db *db, struct slice agent, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, agent);
	e = db_query(db, &store_endpoint_stmts[DISABLE], &args, &r, fail);
	if (e == OK && !db_bool(r, 0, 0))
		return fail_set(fail, ERR_CONFLICT, "agent is not in cloud mode");
	return e;
}

static enum err list(struct db *db, int stmt, struct db_args *args, struct db_rows **ret_rows,
		     struct arena *a, struct store_endpoint **ret, size_t *ret_n, struct fail *fail)
{
	enum err e = db_query(db, &store_endpoint_stmts[stmt], args, ret_rows, fail);

	if (e)
		return e;
	*ret_n = db_rows_count(*ret_rows);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	return OK;
}

enum err store_endpoint_trouble(struct db *db, int64_t limit, struct arena *a,
				struct store_endpoint **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_int(&args, limit);
	db_arg_int(&args, STORE_ENDPOINT_COUNT_MAX + 1);
	e = list(db, TROUBLE, &args, &r, a, ret, ret_n, fail);
	for (size_t i = 0; e == OK && i < *ret_n; i++)
		read_row(r, i, a, &(*ret)[i]);
	return e;
}

enum err store_endpoint_failed(struct db *db, struct slice user, struct slice after, int64_t limit,
			       struct arena *a, struct store_endpoint **ret, size_t *ret_n,
			       struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user);
	db_arg_text(&args, after);
	db_arg_int(&args, limit);
	e = list(db, FAILED, &args, &r, a, ret, ret_n, fail);
	for (size_t i = 0; e == OK && i < *ret_n; i++) {
		(*ret)[i].agent = db_text(r, i, 0, a);
		(*ret)[i].user_id = db_text(r, i, 1, a);
	}
	return e;
}
