/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions. An expired one is as good as none, whether it was deleted or not. */
#include "common/store/store_session.h"

#include "common/store/store_key_sql.h"

enum { CREATE, CREATE_BY_KEY, FIND, DELETE };

const struct db_stmt store_session_stmts[] = {
	[CREATE] = { "session_create",
		     "INSERT INTO sessions (user_id, hash, expires_at) "
		     "VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 ms')",
		     true },
	/* FOR SHARE: a key that is being revoked ends the session or opens none. */
	[CREATE_BY_KEY] = { "session_create_by_key",
			    "INSERT INTO sessions (user_id, hash, key_id, expires_at) "
			    "SELECT k.user_id, $2, k.id, LEAST(k.expires_at, clock_timestamp() "
			    "+ $3::bigint * interval '1 ms') FROM api_keys k WHERE k.id = $1 "
			    "AND k.scope = 'account' AND " KEY_USABLE " FOR SHARE RETURNING 1",
			    true },
	[FIND] = { "session_find",
		   "SELECT s.user_id, s.key_id IS NOT NULL FROM sessions s "
		   "WHERE s.hash = $1 AND s.expires_at > clock_timestamp()",
		   false },
	[DELETE] = { "session_delete", "DELETE FROM sessions WHERE hash = $1", true },
	{ 0 },
};

static void add_hash(struct db_args *args, const uint8_t hash[SHA256_LEN])
{
	db_arg_bytes(args, slice_of((const char *)hash, SHA256_LEN));
}

enum err store_session_create(struct db *db, struct slice user_id, const uint8_t hash[SHA256_LEN],
			      int64_t lifetime_ms, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	add_hash(&args, hash);
	db_arg_int(&args, lifetime_ms);
	return db_query(db, &store_session_stmts[CREATE], &args, NULL, fail);
}

enum err store_session_create_by_key(struct db *db, struct slice key_id,
				     const uint8_t hash[SHA256_LEN], int64_t lifetime_ms,
				     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, key_id);
	add_hash(&args, hash);
	db_arg_int(&args, lifetime_ms);
	e = db_query_count(db, &store_session_stmts[CREATE_BY_KEY], &args, &n, fail);
	if (e)
		return e;
	return n ? OK : fail_set(fail, ERR_UNAUTHORIZED, "no key that opens sessions");
}

enum err store_session_find(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			    struct store_session *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	add_hash(&args, hash);
	e = db_query(db, &store_session_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_UNAUTHORIZED, "no such session");
	*ret = (struct store_session){
		.user_id = db_text(r, 0, 0, a),
		.by_key = db_bool(r, 0, 1),
	};
	return OK;
}

enum err store_session_delete(struct db *db, const uint8_t hash[SHA256_LEN], struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	add_hash(&args, hash);
	return db_query(db, &store_session_stmts[DELETE], &args, NULL, fail);
}
