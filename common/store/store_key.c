/* SPDX-License-Identifier: Apache-2.0 */
/* API keys. What makes a key usable is said once, in USABLE. */
#include "common/store/store_key.h"

#include "common/base/ids.h"

#define USABLE "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"
#define TOUCH_DUE "(k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - interval '60 s')"

_Static_assert(STORE_KEY_TOUCH_S == 60, "TOUCH_DUE says the same");

enum { FIND, CREATE, TOUCH, MAY_LISTEN };

const struct db_stmt store_key_stmts[] = {
	[FIND] = { "key_find",
		   "SELECT k.id, k.user_id, k.scope = 'agent', k.agent_email, " TOUCH_DUE
		   " FROM api_keys k WHERE k.hash = $1 AND " USABLE,
		   false },
	[CREATE] = { "key_create",
		     "INSERT INTO api_keys (id, user_id, name, prefix, hash) "
		     "VALUES ($1, $2, $3, $4, $5)",
		     true },
	[TOUCH] = { "key_touch",
		    "UPDATE api_keys k SET last_used_at = clock_timestamp() "
		    "WHERE k.id = $1 AND " TOUCH_DUE,
		    true },
	[MAY_LISTEN] = { "key_may_listen",
			 "SELECT 1 FROM api_keys k JOIN agents a ON a.user_id = k.user_id "
			 "WHERE k.id = $1 AND a.address = $2 AND a.agent_mode = 'local' "
			 "AND (k.scope = 'account' OR lower(k.agent_email) IN (lower(a.email), a.address)) AND " USABLE,
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
		.id = arena_slice(a, db_slice(r, 0, 0)),
		.user_id = arena_slice(a, db_slice(r, 0, 1)),
		.agent_scope = db_bool(r, 0, 2),
		.agent_email = arena_slice(a, db_slice(r, 0, 3)),
		.touch_due = db_bool(r, 0, 4),
	};
	return OK;
}

enum err store_key_create(struct db *db, struct slice user_id, struct slice name,
			  struct slice prefix, const uint8_t hash[SHA256_LEN], struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	char id[ID_MAX];

	id_new(ID_PREFIX_API_KEY, id);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, user_id);
	db_arg_text(&args, name);
	db_arg_text(&args, prefix);
	db_arg_bytes(&args, slice_of((const char *)hash, SHA256_LEN));
	return db_query(db, &store_key_stmts[CREATE], &args, NULL, fail);
}

enum err store_key_touch(struct db *db, struct slice id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, id);
	return db_query(db, &store_key_stmts[TOUCH], &args, NULL, fail);
}

enum err store_key_may_listen(struct db *db, struct slice key_id, struct slice address,
			      struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, key_id);
	db_arg_text(&args, address);
	e = db_query(db, &store_key_stmts[MAY_LISTEN], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_FORBIDDEN, "key or agent does not allow listening");
	return OK;
}
