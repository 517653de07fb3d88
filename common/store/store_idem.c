/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys. A row without an answer must never be committed. */
#include "common/store/store_idem.h"

enum { FIND, CLAIM, PATIENCE, KEEP };

const struct db_stmt store_idem_stmts[] = {
	[FIND] = { "idem_find",
		   "SELECT k.request_hash = $3, k.status, k.body FROM idempotency_keys k "
		   "WHERE k.owner = $1 AND k.key_hash = $2 "
		   "AND k.created_at > clock_timestamp() - $4::bigint * interval '1 ms'",
		   false },
	/* $6: milliseconds to wait for a transaction that holds the key */
	[CLAIM] = { "idem_claim",
		    "WITH patience AS MATERIALIZED "
		    "(SELECT set_config('lock_timeout', ($6::bigint)::text, true) AS ms) "
		    "INSERT INTO idempotency_keys AS k (owner, key_hash, request_hash, user_id) "
		    "SELECT $1, $2, $3, $5 FROM patience ON CONFLICT (owner, key_hash) DO UPDATE "
		    "SET request_hash = EXCLUDED.request_hash, user_id = EXCLUDED.user_id, "
		    "status = 0, body = '', created_at = EXCLUDED.created_at "
		    "WHERE k.created_at <= clock_timestamp() - $4::bigint * interval '1 ms' "
		    "RETURNING 1",
		    true },
	[PATIENCE] = { "idem_patience", "SELECT set_config('lock_timeout', '0', true)", false },
	[KEEP] = { "idem_keep",
		   "UPDATE idempotency_keys SET status = $3, body = $4 "
		   "WHERE owner = $1 AND key_hash = $2",
		   true },
	{ 0 },
};

static struct slice hash_slice(const uint8_t hash[SHA256_LEN])
{
	return slice_of((const char *)hash, SHA256_LEN);
}

/* $1 .. $4, of which KEEP has other ones behind the second. */
static void arg_request(struct db_args *args, const struct store_idem *idem)
{
	db_arg_text(args, idem->owner);
	db_arg_bytes(args, hash_slice(idem->key_hash));
	db_arg_bytes(args, hash_slice(idem->request_hash));
	db_arg_int(args, idem->retention_ms);
}

enum err store_idem_find(struct db *db, const struct store_idem *idem, struct arena *a,
			 struct store_idem_answer *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_request(&args, idem);
	e = db_query(db, &store_idem_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such idempotency key");
	if (!db_bool(r, 0, 0))
		return fail_set(fail, ERR_CONFLICT, "idempotency key of another request");
	ret->status = (int)db_int(r, 0, 1);
	ret->body = db_text(r, 0, 2, a);
	return OK;
}

enum err store_idem_claim(struct db *db, const struct store_idem *idem, int64_t wait_ms,
			  bool *ret_mine, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	arg_request(&args, idem);
	db_arg_text_or_null(&args, idem->user_id);
	db_arg_int(&args, wait_ms);
	e = db_query_count(db, &store_idem_stmts[CLAIM], &args, &n, fail);
	if (e == ERR_CONFLICT) /* with the user: that of the key is none */
		return fail_set(fail, ERR_UNAUTHORIZED, "the user was deleted meanwhile");
	if (e == OK)
		e = db_query(db, &store_idem_stmts[PATIENCE], NULL, NULL, fail);
	if (e == OK)
		*ret_mine = n > 0;
	return e;
}

enum err store_idem_keep(struct db *db, const struct store_idem *idem, int status,
			 struct slice body, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, idem->owner);
	db_arg_bytes(&args, hash_slice(idem->key_hash));
	db_arg_int(&args, status);
	db_arg_bytes(&args, body);
	return db_query(db, &store_idem_stmts[KEEP], &args, NULL, fail);
}
