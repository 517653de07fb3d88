/* SPDX-License-Identifier: Apache-2.0 */
/* DKIM keys. A private key must never leave the database but to sign, nor stay behind unwiped. */
#include "common/store/store_dkim.h"

#include "common/base/rsa.h"

enum { KEY_VERSION = 1, SEALED_MAX = RSA_PRIVATE_MAX + CRYPTO_SEAL_OVERHEAD, PLACE_MAX = 256 };

/* Two, in turn: while one signs, the other can be published. */
#define SELECTOR_ONE "e2a1"
#define SELECTOR_TWO "e2a2"

enum { ADD, SIGNER, EXPIRE };

const struct db_stmt store_dkim_stmts[] = {
	/* A row, if it was made. */
	[ADD] = { "dkim_add",
		  "INSERT INTO dkim_keys (domain_id, selector, state, public_key, sealed) "
		  "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1",
		  true },
	[SIGNER] = { "dkim_signer",
		     "SELECT k.domain_id, k.selector, k.published, k.sealed FROM domains d "
		     "JOIN dkim_keys k ON k.domain_id = d.id AND k.state = 'active' "
		     "WHERE d.domain = $1 AND d.verified",
		     false },
	/* $1 days, $2 at most */
	[EXPIRE] = { "dkim_expire",
		     "DELETE FROM dkim_keys k USING (SELECT o.domain_id, o.selector "
		     "FROM dkim_keys o WHERE o.state = 'retired' "
		     "AND o.retired_at < now() - $1::bigint * interval '1 day' "
		     "ORDER BY o.retired_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED) o "
		     "WHERE k.domain_id = o.domain_id AND k.selector = o.selector RETURNING 1",
		     true },
	{ 0 },
};

/* ---- pairs ---- */

enum err store_dkim_make(struct store_dkim_pair *ret, struct fail *fail)
{
	buf_init(&ret->private_key, RSA_PRIVATE_MAX);
	buf_init(&ret->public_key, RSA_PUBLIC_MAX);
	return rsa_generate(&ret->private_key, &ret->public_key)
		       ? fail_set(fail, ERR_INTERNAL, "a key pair is larger than it can be")
		       : OK;
}

void store_dkim_release(struct store_dkim_pair *p)
{
	if (p->private_key.p)
		crypto_wipe(p->private_key.p, p->private_key.len);
	buf_release(&p->private_key);
	buf_release(&p->public_key);
}

/* ---- rows ---- */

/* What the sealed key is bound to. */
static void place(struct slice domain_id, struct slice selector, struct buf *ret)
{
	buf_addf(ret, "%.*s %.*s", SLICE_ARGS(domain_id), SLICE_ARGS(selector));
}

static enum err add(struct db *db, const struct keys *keys, struct slice domain_id,
		    struct slice selector, const char *state, const struct store_dkim_pair *pair,
		    bool *ret_made, struct fail *fail)
{
	AUTO(buf_release) struct buf sealed = BUF_INIT(SEALED_MAX);
	AUTO(buf_release) struct buf where = BUF_INIT(PLACE_MAX);
	struct db_args args = DB_ARGS_INIT;
	size_t made;
	enum err e;

	place(domain_id, selector, &where);
	crypto_seal(keys->key[KEY_SECRETS], KEY_VERSION, buf_slice(&where),
		    buf_slice(&pair->private_key), &sealed);
	db_arg_text(&args, domain_id);
	db_arg_text(&args, selector);
	db_arg_text(&args, slice_str(state));
	db_arg_text(&args, buf_slice(&pair->public_key));
	db_arg_bytes(&args, buf_slice(&sealed));
	e = db_query_count(db, &store_dkim_stmts[ADD], &args, &made, fail);
	if (e == OK)
		*ret_made = made != 0;
	return e;
}

enum err store_dkim_add(struct db *db, const struct keys *keys, struct slice domain_id,
			const struct store_dkim_pair *pair, bool *ret_made, struct fail *fail)
{
	return add(db, keys, domain_id, S(SELECTOR_ONE), "active", pair, ret_made, fail);
}

enum err store_dkim_rotate(struct db *db, const struct keys *keys, struct slice domain_id,
			   struct slice active, const struct store_dkim_pair *pair,
			   struct fail *fail)
{
	struct slice selector =
		slice_eq(active, S(SELECTOR_ONE)) ? S(SELECTOR_TWO) : S(SELECTOR_ONE);
	bool made;
	enum err e = add(db, keys, domain_id, selector, "next", pair, &made, fail);

	if (e)
		return e;
	return made ? OK : fail_set(fail, ERR_CONFLICT, "a rotation is not over");
}

enum err store_dkim_signer(struct db *db, const struct keys *keys, struct slice domain,
			   struct arena *a, struct store_dkim_signer *ret, struct buf *ret_private,
			   struct fail *fail)
{
	AUTO(buf_release) struct buf where = BUF_INIT(PLACE_MAX);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct db_args args = DB_ARGS_INIT;
	enum err e;

	db_arg_text(&args, domain);
	e = db_query(db, &store_dkim_stmts[SIGNER], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no key for this domain");
	place(db_slice(r, 0, 0), db_slice(r, 0, 1), &where);
	if (crypto_open(keys->key[KEY_SECRETS], buf_slice(&where), db_slice(r, 0, 3), ret_private))
		return fail_set(fail, ERR_CRYPTO, "DKIM key of %s does not open", buf_cstr(&where));
	ret->selector = db_text(r, 0, 1, a);
	ret->published = db_bool(r, 0, 2);
	return OK;
}

enum err store_dkim_expire(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, STORE_DKIM_RETIRED_DAYS);
	db_arg_int(&args, limit);
	return db_query_count(db, &store_dkim_stmts[EXPIRE], &args, ret_n, fail);
}
