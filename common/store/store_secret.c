/* SPDX-License-Identifier: Apache-2.0 */
/* Signing secrets. What is opened here must not outlive the signature it is for. */
#include "common/store/store_secret.h"

enum { NEWEST, TOUCH };

const struct db_stmt store_secret_stmts[] = {
	[NEWEST] = { "secret_newest",
		     "SELECT s.id, s.sealed, s.last_signed_at IS NULL "
		     "OR s.last_signed_at < clock_timestamp() - interval '60 s' "
		     "FROM signing_secrets s WHERE s.user_id = $1 "
		     "ORDER BY s.created_at DESC, s.id DESC LIMIT 1",
		     false },
	[TOUCH] = { "secret_touch",
		    "UPDATE signing_secrets SET last_signed_at = clock_timestamp() WHERE id = $1",
		    true },
	{ 0 },
};

static enum err touch(struct db *db, struct slice id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, id);
	return db_query(db, &store_secret_stmts[TOUCH], &args, NULL, fail);
}

enum err store_secret_newest(struct db *db, const struct keys *keys, struct slice user_id,
			     struct buf *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_secret_stmts[NEWEST], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "user has no signing secret");
	if (crypto_open(keys->key[KEY_SECRETS], db_slice(r, 0, 0), db_slice(r, 0, 1), ret))
		return fail_set(fail, ERR_CRYPTO, "signing secret %.*s does not open",
				SLICE_ARGS(db_slice(r, 0, 0)));
	return db_bool(r, 0, 2) ? touch(db, db_slice(r, 0, 0), fail) : OK;
}
