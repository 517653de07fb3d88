/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs that sign webhooks. A seed is made, sealed and opened here and never shown to anybody. */
#include "common/store/store_signing_key.h"

#include "common/base/crypto.h"
#include "common/base/ids.h"
#include "common/store/store_user.h"

enum { KEY_VERSION = 1, SEALED_MAX = ED25519_SEED_LEN + CRYPTO_SEAL_OVERHEAD };
#define PLACE "ed25519:" /* what a seed is bound to, with the row's id behind it */
#define ITEM "s.id, s.name, s.public_key, s.created_at"
#define OF_USER "FROM signing_secrets s WHERE s.user_id = $1 AND s.public_key IS NOT NULL"

enum { CREATE, COUNT, LIST, DELETE };

const struct db_stmt store_signing_key_stmts[] = {
	[CREATE] = { "signing_key_create",
		     "INSERT INTO signing_secrets AS s (user_id, id, name, prefix, sealed, "
		     "public_key) VALUES ($1, $2, $3, '', $4, $5) RETURNING " ITEM,
		     true },
	[COUNT] = { "signing_key_count", "SELECT count(*) " OF_USER, false },
	[LIST] = { "signing_key_list",
		   "SELECT " ITEM " " OF_USER " ORDER BY s.created_at DESC, s.id DESC", false },
	[DELETE] = { "signing_key_delete", "DELETE " OF_USER " AND s.id = $2 RETURNING 1", true },
	{ 0 },
};

bool store_signing_key_is(struct slice id)
{
	return slice_starts(id, S(ID_PREFIX_SIGNING_KEY));
}

static void add_place(struct slice id, struct buf *ret)
{
	buf_add_str(ret, PLACE);
	buf_add_slice(ret, id);
}

enum err store_signing_key_open(const uint8_t key[CRYPTO_KEY_LEN], struct slice id,
				struct slice sealed, struct buf *ret)
{
	AUTO(buf_release) struct buf place = BUF_INIT(sizeof(PLACE) + ID_MAX);

	if (sealed.n != SEALED_MAX)
		return ERR_CRYPTO;
	add_place(id, &place);
	return crypto_open(key, buf_slice(&place), sealed, ret);
}

/* The sealed seed of a new pair, and its public key. */
static void make_pair(const struct keys *keys, struct slice id, struct buf *ret_sealed,
		      uint8_t ret_public[ED25519_PUBLIC_LEN])
{
	AUTO(buf_release) struct buf place = BUF_INIT(sizeof(PLACE) + ID_MAX);
	uint8_t seed[ED25519_SEED_LEN];

	ed25519_generate(seed, ret_public);
	add_place(id, &place);
	crypto_seal(keys->key[KEY_SECRETS], KEY_VERSION, buf_slice(&place),
		    slice_of((const char *)seed, sizeof(seed)), ret_sealed);
	crypto_wipe(seed, sizeof(seed));
}

static void read_item(const struct db_rows *r, size_t row, struct arena *a,
		      struct store_signing_key *ret)
{
	*ret = (struct store_signing_key){
		.id = db_text(r, row, 0, a),
		.name = db_text(r, row, 1, a),
		.public_key = db_text(r, row, 2, a),
		.created_us = db_time(r, row, 3),
	};
}

/* Under the user's lock. */
static enum err check_count(struct db *db, struct slice user_id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = store_user_lock(db, user_id, fail);

	if (e)
		return e;
	db_arg_text(&args, user_id);
	e = db_query(db, &store_signing_key_stmts[COUNT], &args, &r, fail);
	if (e == OK && db_int(r, 0, 0) >= STORE_SIGNING_KEYS_MAX)
		e = fail_set(fail, ERR_TOO_BIG, "the user has as many signing keys as may be");
	return e;
}

enum err store_signing_key_create(struct db *db, const struct keys *keys, struct slice user_id,
				  struct slice name, struct arena *a, struct store_signing_key *ret,
				  struct fail *fail)
{
	char id[ID_MAX];
	uint8_t public[ED25519_PUBLIC_LEN];
	AUTO(buf_release) struct buf sealed = BUF_INIT(SEALED_MAX);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct db_args args = DB_ARGS_INIT;
	enum err e = check_count(db, user_id, fail);

	if (e)
		return e;
	id_new(ID_PREFIX_SIGNING_KEY, id);
	make_pair(keys, slice_str(id), &sealed, public);
	db_arg_text(&args, user_id);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, name);
	db_arg_bytes(&args, buf_slice(&sealed));
	db_arg_bytes(&args, slice_of((const char *)public, sizeof(public)));
	e = db_query(db, &store_signing_key_stmts[CREATE], &args, &r, fail);
	if (e == OK)
		read_item(r, 0, a, ret);
	return e;
}

enum err store_signing_key_list(struct db *db, struct slice user_id, struct arena *a,
				struct store_signing_key **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_signing_key_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_item(r, i, a, &(*ret)[i]);
	return OK;
}

enum err store_signing_key_delete(struct db *db, struct slice user_id, struct slice id,
				  struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, id);
	e = db_query_count(db, &store_signing_key_stmts[DELETE], &args, &n, fail);
	if (e)
		return e;
	return n ? OK : fail_set(fail, ERR_NOT_FOUND, "no such signing key");
}
