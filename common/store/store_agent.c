/* SPDX-License-Identifier: Apache-2.0 */
/* Agents: one column list, one reader. No statement here lacks the user. */
#include "common/store/store_agent.h"

/* `d` may carry agents of user `u`. */
#define DOMAIN_SERVES(d, u)                                                                        \
	"EXISTS (SELECT FROM domains o WHERE o.domain = " d " AND o.verified "                     \
	"AND (o.user_id = " u " OR o.user_id IS NULL))"

#define COLUMNS                                                                                    \
	"a.email, a.address, a.domain, a.name, a.agent_mode, a.webhook_url, " DOMAIN_SERVES(       \
		"a.domain",                                                                        \
		"a.user_id") ", a.hitl_enabled, a.hitl_ttl_seconds, a.hitl_expiration_action, a.created_at"

enum { LIST, FIND, CREATE };

const struct db_stmt store_agent_stmts[] = {
	[LIST] = { "agent_list",
		   "SELECT " COLUMNS " FROM agents a WHERE a.user_id = $1 "
		   "ORDER BY a.created_at DESC, a.email",
		   false },
	[FIND] = { "agent_find",
		   "SELECT " COLUMNS " FROM agents a WHERE a.user_id = $1 AND a.address = $2",
		   false },
	[CREATE] = { "agent_create",
		     "WITH allowed AS (SELECT " DOMAIN_SERVES(
			     "$4::text",
			     "$1::text") " AS yes), "
					 "made AS (INSERT INTO agents (user_id, email, address, domain, name, "
					 "agent_mode, webhook_url) SELECT $1, $2, $3, $4, $5, $6, $7 "
					 "FROM allowed WHERE yes ON CONFLICT DO NOTHING RETURNING 1) "
					 "SELECT yes, EXISTS (SELECT FROM made) FROM allowed",
		     true },
	{ 0 },
};

static void read_agent(const struct db_rows *r, size_t row, struct arena *a,
		       struct store_agent *ret)
{
	*ret = (struct store_agent){
		.email = arena_slice(a, db_slice(r, row, 0)),
		.address = arena_slice(a, db_slice(r, row, 1)),
		.domain = arena_slice(a, db_slice(r, row, 2)),
		.name = arena_slice(a, db_slice(r, row, 3)),
		.agent_mode = arena_slice(a, db_slice(r, row, 4)),
		.webhook_url = arena_slice(a, db_slice(r, row, 5)),
		.domain_verified = db_bool(r, row, 6),
		.hitl_enabled = db_bool(r, row, 7),
		.hitl_ttl_seconds = db_int(r, row, 8),
		.hitl_expiration_action = arena_slice(a, db_slice(r, row, 9)),
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

enum err store_agent_find(struct db *db, struct slice user_id, struct slice address,
			  struct arena *a, struct store_agent *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, address);
	e = db_query(db, &store_agent_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such agent");
	read_agent(r, 0, a, ret);
	return OK;
}

enum err store_agent_create(struct db *db, struct slice user_id, const struct store_agent *agent,
			    struct fail *fail)
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
	e = db_query(db, &store_agent_stmts[CREATE], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0 || !db_bool(r, 0, 0))
		return fail_set(fail, ERR_FORBIDDEN, "domain is not the user's");
	if (!db_bool(r, 0, 1))
		return fail_set(fail, ERR_CONFLICT, "address is taken");
	return OK;
}
