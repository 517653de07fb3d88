/* SPDX-License-Identifier: Apache-2.0 */
/* Users. An address belongs to one account, whoever asks for it at the same time. */
#include "common/store/store_user.h"

#include "common/base/ids.h"

enum { CREATE, FIND, LOCK };

const struct db_stmt store_user_stmts[] = {
	[CREATE] = { "user_create",
		     "INSERT INTO users (id, email, name) VALUES ($1, $2, $3) "
		     "ON CONFLICT (lower(email)) DO NOTHING",
		     true },
	[FIND] = { "user_find", "SELECT id, email FROM users WHERE lower(email) = lower($1)",
		   false },
	/* the weakest lock that excludes itself: rows that refer to the user may be added */
	[LOCK] = { "user_lock", "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", false },
	{ 0 },
};

static enum err create(struct db *db, struct slice email, struct slice name, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	char id[ID_MAX];

	id_new(ID_PREFIX_USER, id);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, email);
	db_arg_text(&args, name);
	return db_query(db, &store_user_stmts[CREATE], &args, NULL, fail);
}

enum err store_user_find(struct db *db, struct slice email, struct arena *a, struct store_user *ret,
			 struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, email);
	e = db_query(db, &store_user_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such user");
	ret->id = db_text(r, 0, 0, a);
	ret->email = db_text(r, 0, 1, a);
	return OK;
}

enum err store_user_ensure(struct db *db, struct slice email, struct slice name, struct arena *a,
			   struct store_user *ret, struct fail *fail)
{
	enum err e = create(db, email, name, fail);

	if (e)
		return e;
	e = store_user_find(db, email, a, ret, fail);
	return e == ERR_NOT_FOUND ? fail_set(fail, ERR_CONFLICT, "the user was deleted meanwhile")
				  : e;
}

enum err store_user_lock(struct db *db, struct slice user_id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query_count(db, &store_user_stmts[LOCK], &args, &n, fail);
	if (e)
		return e;
	return n ? OK : fail_set(fail, ERR_UNAUTHORIZED, "the user was deleted meanwhile");
}
