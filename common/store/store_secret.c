/* SPDX-License-Identifier: Apache-2.0 */
/* Signing secrets. What is opened here must not outlive the signature it is for. */
#include "common/store/store_secret.h"

#include "common/base/ids.h"
#include "common/store/store_user.h"

enum { KEY_VERSION = 1, SEALED_MAX = TOKEN_HEX_LEN + CRYPTO_SEAL_OVERHEAD };
enum { NEWEST, TOUCH, CREATE_FIRST };

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
	[CREATE_FIRST] = { "secret_create_first",
			   "INSERT INTO signing_secrets (user_id, id, name, prefix, sealed) "
			   "SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS "
			   "(SELECT FROM signing_secrets WHERE user_id = $1) RETURNING 1",
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

enum err store_secret_ensure(struct db *db, const struct keys *keys, struct slice user_id,
			     struct slice name, struct slice value, bool *ret_made,
			     struct fail *fail)
{
	char id[ID_MAX];
	AUTO(buf_release) struct buf sealed = BUF_INIT(SEALED_MAX);
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = store_user_lock(db, user_id, fail);

	if (e)
		return e;
	id_new(ID_PREFIX_SECRET, id);
	crypto_seal(keys->key[KEY_SECRETS], KEY_VERSION, slice_str(id), value, &sealed);
	db_arg_text(&args, user_id);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, name);
	db_arg_text(&args, slice_sub(value, 0, TOKEN_PREFIX_LEN));
	db_arg_bytes(&args, buf_slice(&sealed));
	e = db_query(db, &store_secret_stmts[CREATE_FIRST], &args, &r, fail);
	if (e == OK)
		*ret_made = db_rows_count(r) > 0;
	return e;
}
