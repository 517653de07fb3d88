/* SPDX-License-Identifier: Apache-2.0 */
/* Agents: one column list, one reader. No statement here lacks the user. */
#include "common/store/store_agent.h"

#include "common/store/store_key.h"
#include "common/store/store_retired.h"
#include "common/store/store_user.h"

/* `d` may carry agents of user `u`. */
#define DOMAIN_SERVES(d, u)                                                                        \
	"EXISTS (SELECT FROM domains o WHERE o.domain = " d " AND o.verified "                     \
	"AND (o.user_id = " u " OR o.user_id IS NULL))"

#define COLUMNS                                                                                    \
	"a.email, a.address, a.domain, a.name, a.agent_mode, a.webhook_url, " DOMAIN_SERVES(       \
		"a.domain",                                                                        \
		"a.user_id") ", a.hitl_enabled, a.hitl_ttl_seconds, a.hitl_expiration_action, a.created_at"

#define MAY_CREATE DOMAIN_SERVES("$4::text", "$1::text")

enum { LIST, FIND, LOCK, CREATE, UPDATE, HITL, STOP_WEBHOOK, PATIENCE, EMPTY, SHUT, DELETE };

const struct db_stmt store_agent_stmts[] = {
	[LIST] = { "agent_list",
		   "SELECT " COLUMNS " FROM agents a WHERE a.user_id = $1 "
		   "ORDER BY a.created_at DESC, a.email",
		   false },
	[FIND] = { "agent_find",
		   "SELECT " COLUMNS " FROM agents a WHERE a.user_id = $1 AND a.address = $2",
		   false },
	[LOCK] = { "agent_lock",
		   "SELECT " COLUMNS " FROM agents a WHERE a.user_id = $1 AND a.address = $2 "
		   "FOR NO KEY UPDATE OF a",
		   false },
	/* $8 most agents of a user */
	[CREATE] = { "agent_create",
		     "WITH allowed AS (SELECT " MAY_CREATE " AS domain, "
		     "(SELECT count(*) FROM agents WHERE user_id = $1) < $8::bigint AS room), "
		     "made AS (INSERT INTO agents (user_id, email, address, domain, name, "
		     "agent_mode, webhook_url) SELECT $1, $2, $3, $4, $5, $6, $7 "
		     "FROM allowed WHERE allowed.domain AND room "
		     "ON CONFLICT DO NOTHING RETURNING 1) "
		     "SELECT allowed.domain, room, EXISTS (SELECT FROM made) FROM allowed",
		     true },
	[UPDATE] = { "agent_update",
		     "UPDATE agents a SET agent_mode = $3, webhook_url = $4 "
		     "WHERE a.user_id = $1 AND a.email = $2",
		     true },
	/* $3 API key, $4 session */
	[HITL] = { "agent_set_hitl",
		   "SELECT set_hitl($1, $2, $3, $4::bytea, $5::boolean, $6::bigint, $7)", true },
	/* $3 the reason */
	[STOP_WEBHOOK] = { "agent_stop_webhook",
			   "WITH gone AS (DELETE FROM webhook_jobs j WHERE j.user_id = $1 "
			   "AND j.agent_email = $2 AND j.state = 'pending' "
			   "RETURNING j.message_id, j.user_id, j.attempts), "
			   "unread AS (UPDATE messages m SET inbox_status = 'unread' FROM gone g "
			   "WHERE m.user_id = $1 AND m.agent_email = $2 AND m.id = g.message_id "
			   "AND m.inbox_status = 'read') "
			   "INSERT INTO message_events (message_id, user_id, stage, outcome, reason, "
			   "detail) SELECT g.message_id, g.user_id, 'webhook', 'failed', $3, "
			   "jsonb_build_object('attempt', g.attempts) FROM gone g",
			   true },
	/* A large mailbox takes longer than other statements may. */
	[PATIENCE] = { "agent_delete_patience",
		       "SELECT set_config('statement_timeout', '10min', true)", false },
	/* Bodies too, but for those that other agents have as well. */
	[EMPTY] = { "agent_delete_mail",
		    "WITH gone AS (DELETE FROM messages m WHERE m.user_id = $1 "
		    "AND m.agent_email = $2 RETURNING m.raw_id) "
		    "DELETE FROM raw_messages r USING gone g WHERE r.id = g.raw_id "
		    "AND NOT EXISTS (SELECT FROM messages m WHERE m.raw_id = r.id "
		    "AND m.agent_email <> $2)",
		    true },
	/* Mail that is being stored is waited for; what comes now waits, and finds no agent. */
	[SHUT] = { "agent_delete_shut",
		   "SELECT 1 FROM agents a WHERE a.user_id = $1 AND a.email = $2 FOR UPDATE",
		   false },
	[DELETE] = { "agent_delete", "DELETE FROM agents a WHERE a.user_id = $1 AND a.email = $2",
		     true },
	{ 0 },
};

static void read_agent(const struct db_rows *r, size_t row, struct arena *a,
		       struct store_agent *ret)
{
	*ret = (struct store_agent){
		.email = db_text(r, row, 0, a),
		.address = db_text(r, row, 1, a),
		.domain = db_text(r, row, 2, a),
		.name = db_text(r, row, 3, a),
		.agent_mode = db_text(r, row, 4, a),
		.webhook_url = db_text(r, row, 5, a),
		.domain_verified = db_bool(r, row, 6),
		.hitl_enabled = db_bool(r, row, 7),
		.hitl_ttl_seconds = db_int(r, row, 8),
		.hitl_expiration_action = db_text(r, row, 9, a),
		.created_us = db_time(r, row, 10),
	};
}

enum err store_agent_list(struct db *db, struct slice user_id, struct arena *a,
			  struct store_agent **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct store_agent *v;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_agent_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	n = db_rows_count(r);
	v = arena_calloc(a, n, sizeof(*v));
	for (size_t i = 0; i < n; i++)
		read_agent(r, i, a, &v[i]);
	*ret = v;
	*ret_n = n;
	return OK;
}

static enum err find(struct db *db, const struct db_stmt *stmt, struct slice user_id,
		     struct slice address, struct arena *a, struct store_agent *ret,
		     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, address);
	e = db_query(db, stmt, &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such agent");
	read_agent(r, 0, a, ret);
	return OK;
}

enum err store_agent_find(struct db *db, struct slice user_id, struct slice address,
			  struct arena *a, struct store_agent *ret, struct fail *fail)
{
	return find(db, &store_agent_stmts[FIND], user_id, address, a, ret, fail);
}

enum err store_agent_lock(struct db *db, struct slice user_id, struct slice address,
			  struct arena *a, struct store_agent *ret, struct fail *fail)
{
	return find(db, &store_agent_stmts[LOCK], user_id, address, a, ret, fail);
}

static enum err insert(struct db *db, struct slice user_id, const struct store_agent *agent,
		       int64_t most, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent->email);
	db_arg_text(&args, agent->address);
	db_arg_text(&args, agent->domain);
	db_arg_text(&args, agent->name);
	db_arg_text(&args, agent->agent_mode);
	db_arg_text(&args, agent->webhook_url);
	db_arg_int(&args, most);
	e = db_query(db, &store_agent_stmts[CREATE], &args, &r, fail);
	if (e)
		return e;
	if (!db_bool(r, 0, 0))
		return fail_set(fail, ERR_FORBIDDEN, "domain is not the user's");
	if (!db_bool(r, 0, 1))
		return fail_set(fail, ERR_TOO_BIG, "the user has as many agents as may be");
	if (!db_bool(r, 0, 2))
		return fail_set(fail, ERR_CONFLICT, "address is taken");
	return OK;
}

enum err store_agent_create(struct db *db, struct slice user_id, const struct store_agent *agent,
			    int64_t most, struct fail *fail)
{
	enum err e = store_user_lock(db, user_id, fail);

	if (e == OK)
		e = insert(db, user_id, agent, most, fail);
	/* Afterwards: whoever held the address has committed by now. */
	return e ? e : store_retired_take(db, user_id, agent->address, fail);
}

enum err store_agent_update(struct db *db, struct slice user_id, const struct store_agent *agent,
			    struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent->email);
	db_arg_text(&args, agent->agent_mode);
	db_arg_text(&args, agent->webhook_url);
	return db_query(db, &store_agent_stmts[UPDATE], &args, NULL, fail);
}

enum err store_agent_set_hitl(struct db *db, const struct store_account *by,
			      const struct store_agent *agent, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, by->user_id);
	db_arg_text(&args, agent->email);
	store_account_arg(&args, by);
	db_arg_bool(&args, agent->hitl_enabled);
	db_arg_int(&args, agent->hitl_ttl_seconds);
	db_arg_text(&args, agent->hitl_expiration_action);
	e = db_query(db, &store_agent_stmts[HITL], &args, &r, fail);
	if (e)
		return e;
	return db_bool(r, 0, 0) ? OK : fail_set(fail, ERR_UNAUTHORIZED, "credential is not good");
}

enum err store_agent_stop_webhook(struct db *db, struct slice user_id, struct slice email,
				  enum event_reason why, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, email);
	db_arg_text(&args, slice_str(event_reason_name(why)));
	return db_query(db, &store_agent_stmts[STOP_WEBHOOK], &args, NULL, fail);
}

static enum err run_on(struct db *db, int stmt, struct slice user_id, struct slice email,
		       struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, email);
	return db_query(db, &store_agent_stmts[stmt], &args, NULL, fail);
}

static enum err empty(struct db *db, struct slice user_id, struct slice email, struct fail *fail)
{
	enum err e = store_agent_stop_webhook(db, user_id, email, EVENT_AGENT_DELETED, fail);

	return e ? e : run_on(db, EMPTY, user_id, email, fail);
}

/*
 * The mail first, which may take minutes and keeps nobody waiting; then what came
 * meanwhile. The user is locked for the rest only.
 */
enum err store_agent_delete(struct db *db, struct slice user_id, struct slice email,
			    int64_t kept_ms, struct fail *fail)
{
	enum err e = db_query(db, &store_agent_stmts[PATIENCE], NULL, NULL, fail);

	if (e == OK)
		e = empty(db, user_id, email, fail);
	if (e == OK)
		e = run_on(db, SHUT, user_id, email, fail);
	if (e == OK)
		e = empty(db, user_id, email, fail);
	if (e == OK)
		e = store_user_lock(db, user_id, fail);
	if (e == OK)
		e = store_key_revoke_agent(db, user_id, email, fail);
	if (e == OK)
		e = store_retired_add(db, user_id, email, kept_ms, fail);
	return e ? e : run_on(db, DELETE, user_id, email, fail);
}
