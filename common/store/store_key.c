/* SPDX-License-Identifier: Apache-2.0 */
/* API keys. What makes a key usable is said once, in KEY_USABLE. */
#include "common/store/store_key.h"

#include "common/base/ids.h"
#include "common/store/db_sql.h"
#include "common/store/store_key_sql.h"
#include "common/store/store_user.h"

#define TOUCH_DUE "(k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - interval '60 s')"

_Static_assert(STORE_KEY_TOUCH_S == 60, "TOUCH_DUE says the same");

#define ITEM "k.id, k.name, k.prefix, k.agent_email, k.created_at, k.expires_at, k.last_used_at"

enum { FIND, CREATE, LIST, REVOKE, REVOKE_AGENT, TOUCH, CHECK };

const struct db_stmt store_key_stmts[] = {
	[FIND] = { "key_find",
		   "SELECT k.id, k.user_id, k.scope = 'agent', k.agent_email, " TOUCH_DUE
		   " FROM api_keys k WHERE k.hash = $1 AND " KEY_USABLE,
		   false },
	/* $6 agent or NULL, $7 lifetime or NULL, $8 most or NULL */
	[CREATE] = { "key_create",
		     "WITH agent AS (SELECT a.email FROM agents a "
		     "WHERE a.user_id = $2 AND a.address = $6::text), "
		     "room AS (SELECT $8::bigint IS NULL OR (SELECT count(*) FROM api_keys k "
		     "WHERE k.user_id = $2 AND k.revoked_at IS NULL) < $8::bigint AS yes), "
		     "made AS (INSERT INTO api_keys AS k (id, user_id, name, prefix, hash, scope, "
		     "agent_email, expires_at) SELECT $1, $2, $3, $4, $5, "
		     "CASE WHEN $6::text IS NULL THEN 'account' ELSE 'agent' END, "
		     "(SELECT email FROM agent), "
		     "clock_timestamp() + $7::bigint * interval '1 ms' FROM room "
		     "WHERE yes AND ($6::text IS NULL OR EXISTS (SELECT FROM agent)) "
		     "RETURNING " ITEM ") "
		     "SELECT k.*, room.yes FROM room LEFT JOIN made k ON true",
		     true },
	[LIST] = { "key_list",
		   "SELECT " ITEM " FROM api_keys k WHERE k.user_id = $1 "
		   "AND k.revoked_at IS NULL ORDER BY k.created_at DESC, k.id DESC",
		   false },
	[REVOKE] = { "key_revoke",
		     "UPDATE api_keys k SET revoked_at = clock_timestamp() "
		     "WHERE k.user_id = $1 AND k.id = $2 AND k.revoked_at IS NULL RETURNING 1",
		     true },
	[REVOKE_AGENT] = { "key_revoke_agent",
			   "UPDATE api_keys k SET revoked_at = clock_timestamp() FROM agents a "
			   "WHERE k.user_id = $1 AND a.user_id = $1 AND a.email = $2 "
			   "AND k.scope = 'agent' AND " KEY_BOUND_TO_A " AND k.revoked_at IS NULL",
			   true },
	[TOUCH] = { "key_touch",
		    "WITH " ASYNC " UPDATE api_keys k SET last_used_at = clock_timestamp() "
		    "FROM async WHERE k.id = $1 AND " TOUCH_DUE,
		    true },
	[CHECK] = { "key_check", "SELECT 1 FROM api_keys k WHERE k.id = $1 AND " KEY_USABLE,
		    false },
	{ 0 },
};

enum err store_key_find(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			struct store_key *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_bytes(&args, slice_of((const char *)hash, SHA256_LEN));
	e = db_query(db, &store_key_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_UNAUTHORIZED, "no such key");
	*ret = (struct store_key){
		.id = db_text(r, 0, 0, a),
		.user_id = db_text(r, 0, 1, a),
		.agent_scope = db_bool(r, 0, 2),
		.agent_email = db_text(r, 0, 3, a),
		.touch_due = db_bool(r, 0, 4),
	};
	return OK;
}

static void read_item(const struct db_rows *r, size_t row, struct arena *a,
		      struct store_key_item *ret)
{
	*ret = (struct store_key_item){
		.id = db_text(r, row, 0, a),
		.name = db_text(r, row, 1, a),
		.prefix = db_text(r, row, 2, a),
		.agent_email = db_text(r, row, 3, a),
		.created_us = db_time(r, row, 4),
		.expires_us = db_time(r, row, 5),
		.last_used_us = db_time(r, row, 6),
	};
}

static void arg_int_or_null(struct db_args *args, int64_t v)
{
	if (v)
		db_arg_int(args, v);
	else
		db_arg_null(args);
}

static void arg_key(struct db_args *args, struct slice id, const struct store_key_new *key)
{
	db_arg_text(args, id);
	db_arg_text(args, key->user_id);
	db_arg_text(args, key->name);
	db_arg_text(args, apikey_prefix(key->key));
	db_arg_bytes(args, slice_of((const char *)key->key->hash, SHA256_LEN));
	db_arg_text_or_null(args, key->agent_address);
	arg_int_or_null(args, key->lifetime_ms);
	arg_int_or_null(args, key->most);
}

enum err store_key_create(struct db *db, const struct store_key_new *key, struct arena *a,
			  struct store_key_item *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = store_user_lock(db, key->user_id, fail);
	char id[ID_MAX];

	if (e)
		return e;
	id_new(ID_PREFIX_API_KEY, id);
	arg_key(&args, slice_str(id), key);
	e = db_query(db, &store_key_stmts[CREATE], &args, &r, fail);
	if (e)
		return e;
	if (!db_bool(r, 0, 7))
		return fail_set(fail, ERR_TOO_BIG, "the user has as many keys as may be");
	if (db_is_null(r, 0, 0))
		return fail_set(fail, ERR_NOT_FOUND, "the user has no such agent");
	read_item(r, 0, a, ret);
	return OK;
}

enum err store_key_list(struct db *db, struct slice user_id, struct arena *a,
			struct store_key_item **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct store_key_item *v;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_key_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	n = db_rows_count(r);
	v = arena_calloc(a, n, sizeof(*v));
	for (size_t i = 0; i < n; i++)
		read_item(r, i, a, &v[i]);
	*ret = v;
	*ret_n = n;
	return OK;
}

enum err store_key_revoke(struct db *db, struct slice user_id, struct slice id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, id);
	e = db_query_count(db, &store_key_stmts[REVOKE], &args, &n, fail);
	if (e)
		return e;
	return n ? OK : fail_set(fail, ERR_NOT_FOUND, "no such key");
}

enum err store_key_revoke_agent(struct db *db, struct slice user_id, struct slice email,
				struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, email);
	return db_query(db, &store_key_stmts[REVOKE_AGENT], &args, NULL, fail);
}

enum err store_key_touch(struct db *db, struct slice id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, id);
	return db_query(db, &store_key_stmts[TOUCH], &args, NULL, fail);
}

enum err store_key_check(struct db *db, struct slice key_id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, key_id);
	e = db_query(db, &store_key_stmts[CHECK], &args, &r, fail);
	if (e == OK && db_rows_count(r) == 0)
		e = fail_set(fail, ERR_UNAUTHORIZED, "the key was revoked or has expired");
	return e;
}
