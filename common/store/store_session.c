/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions. An expired one is as good as none, whether it was deleted or not. */
#include "common/store/store_session.h"

enum { CREATE, FIND, DELETE };

const struct db_stmt store_session_stmts[] = {
	[CREATE] = { "session_create",
		     "INSERT INTO sessions (user_id, hash, expires_at) "
		     "VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 ms')",
		     true },
	[FIND] = { "session_find",
		   "SELECT s.user_id FROM sessions s "
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

enum err store_session_find(struct db *db, const uint8_t hash[SHA256_LEN], struct arena *a,
			    struct slice *ret_user_id, struct fail *fail)
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
	*ret_user_id = db_text(r, 0, 0, a);
	return OK;
}

enum err store_session_delete(struct db *db, const uint8_t hash[SHA256_LEN], struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	add_hash(&args, hash);
	return db_query(db, &store_session_stmts[DELETE], &args, NULL, fail);
}
