/* SPDX-License-Identifier: Apache-2.0 */
/* Signing secrets. What is opened here must not outlive the signature it is for. */
#include "common/store/store_secret.h"

#include "common/base/ids.h"
#include "common/store/store_user.h"

enum { KEY_VERSION = 1, SEALED_MAX = TOKEN_HEX_LEN + CRYPTO_SEAL_OVERHEAD };
#define ITEM "s.id, s.name, s.prefix, s.created_at, s.last_signed_at"
/* The other rows are pairs: store_signing_key.c. */
#define OF_USER "FROM signing_secrets s WHERE s.user_id = $1 AND s.public_key IS NULL"

enum { NEWEST, TOUCH, CREATE, COUNT, LIST, DELETE };

const struct db_stmt store_secret_stmts[] = {
	[NEWEST] = { "secret_newest",
		     "SELECT s.id, s.sealed, s.last_signed_at IS NULL "
		     "OR s.last_signed_at < clock_timestamp() - interval '60 s' " OF_USER
		     " ORDER BY s.created_at DESC, s.id DESC LIMIT 1",
		     false },
	[TOUCH] = { "secret_touch",
		    "UPDATE signing_secrets SET last_signed_at = clock_timestamp() WHERE id = $1",
		    true },
	[CREATE] = { "secret_create",
		     "INSERT INTO signing_secrets AS s (user_id, id, name, prefix, sealed) "
		     "VALUES ($1, $2, $3, $4, $5) RETURNING " ITEM,
		     true },
	[COUNT] = { "secret_count", "SELECT count(*) " OF_USER, false },
	[LIST] = { "secret_list",
		   "SELECT " ITEM " " OF_USER " ORDER BY s.created_at DESC, s.id DESC", false },
	[DELETE] = { "secret_delete", "DELETE " OF_USER " AND s.id = $2 RETURNING 1", true },
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

/* Under the user's lock: what is counted stays so until the end of the transaction. */
static enum err lock_and_count(struct db *db, struct slice user_id, int64_t *ret_n,
			       struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = store_user_lock(db, user_id, fail);

	if (e)
		return e;
	db_arg_text(&args, user_id);
	e = db_query(db, &store_secret_stmts[COUNT], &args, &r, fail);
	if (e == OK)
		*ret_n = db_int(r, 0, 0);
	return e;
}

static enum err insert(struct db *db, const struct keys *keys, struct slice user_id,
		       struct slice name, struct slice value, struct db_rows **ret,
		       struct fail *fail)
{
	char id[ID_MAX];
	AUTO(buf_release) struct buf sealed = BUF_INIT(SEALED_MAX);
	struct db_args args = DB_ARGS_INIT;

	id_new(ID_PREFIX_SECRET, id);
	crypto_seal(keys->key[KEY_SECRETS], KEY_VERSION, slice_str(id), value, &sealed);
	db_arg_text(&args, user_id);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, name);
	db_arg_text(&args, slice_sub(value, 0, TOKEN_PREFIX_LEN));
	db_arg_bytes(&args, buf_slice(&sealed));
	return db_query(db, &store_secret_stmts[CREATE], &args, ret, fail);
}

static void read_item(const struct db_rows *r, size_t row, struct arena *a,
		      struct store_secret *ret)
{
	*ret = (struct store_secret){
		.id = db_text(r, row, 0, a),
		.name = db_text(r, row, 1, a),
		.prefix = db_text(r, row, 2, a),
		.created_us = db_time(r, row, 3),
		.last_signed_us = db_time(r, row, 4),
	};
}

enum err store_secret_ensure(struct db *db, const struct keys *keys, struct slice user_id,
			     struct slice name, struct slice value, bool *ret_made,
			     struct fail *fail)
{
	int64_t n;
	enum err e = lock_and_count(db, user_id, &n, fail);

	if (e == OK && n == 0)
		e = insert(db, keys, user_id, name, value, NULL, fail);
	if (e == OK)
		*ret_made = n == 0;
	return e;
}

enum err store_secret_create(struct db *db, const struct keys *keys, struct slice user_id,
			     struct slice name, struct slice value, struct arena *a,
			     struct store_secret *ret, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	int64_t n;
	enum err e = lock_and_count(db, user_id, &n, fail);

	if (e)
		return e;
	if (n >= STORE_SECRETS_MAX)
		return fail_set(fail, ERR_TOO_BIG, "the user has as many secrets as may be");
	e = insert(db, keys, user_id, name, value, &r, fail);
	if (e == OK)
		read_item(r, 0, a, ret);
	return e;
}

enum err store_secret_list(struct db *db, struct slice user_id, struct arena *a,
			   struct store_secret **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_secret_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_item(r, i, a, &(*ret)[i]);
	return OK;
}

enum err store_secret_delete(struct db *db, struct slice user_id, struct slice id,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t deleted;
	int64_t n;
	enum err e = lock_and_count(db, user_id, &n, fail);

	if (e)
		return e;
	db_arg_text(&args, user_id);
	db_arg_text(&args, id);
	e = db_query_count(db, &store_secret_stmts[DELETE], &args, &deleted, fail);
	if (e)
		return e;
	if (deleted == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such secret");
	return n > 1 ? OK : fail_set(fail, ERR_CONFLICT, "the last secret");
}
