/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tokens. No token may get into the database in the clear, nor into an error. */
#include "common/store/store_approval.h"

#include "common/mail/approval_token.h"

#include <assert.h>

enum { US_PER_S = 1000000 };
enum { NONCE, ADD };

const struct db_stmt store_approval_stmts[] = {
	/* $1 message, $2 user, $3 reviewer, $4 draft */
	[NONCE] = { "approval_nonce",
		    "SELECT t.nonce, extract(epoch FROM t.expires_at)::bigint "
		    "FROM approval_tokens t WHERE t.message_id = $1 AND t.user_id = $2 "
		    "AND t.reviewer = $3 AND t.draft_hash = $4::bytea LIMIT 1",
		    false },
	/* ... $5 nonce, $6 expiry in s, $7 hash of the token, $8 action */
	[ADD] = { "approval_add",
		  "INSERT INTO approval_tokens (message_id, user_id, reviewer, draft_hash, nonce, "
		  "expires_at, hash, action) VALUES ($1, $2, $3, $4::bytea, $5::bytea, "
		  "to_timestamp($6::bigint), $7::bytea, $8) ON CONFLICT (hash) DO NOTHING",
		  true },
	{ 0 },
};

struct mint {
	struct approval_binding bound;
	uint8_t nonce[APPROVAL_NONCE_LEN];
	int64_t expires_s;
};

static void arg_bound(struct db_args *args, const struct approval_binding *b)
{
	db_arg_text(args, b->message_id);
	db_arg_text(args, b->user_id);
	db_arg_text(args, b->reviewer);
	db_arg_bytes(args, b->draft_hash);
}

/* Half of the key: that of an earlier mail, or a new one. */
static enum err find_nonce(struct db *db, struct mint *m, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_bound(&args, &m->bound);
	e = db_query(db, &store_approval_stmts[NONCE], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) && db_slice(r, 0, 0).n == sizeof(m->nonce)) {
		memcpy(m->nonce, db_slice(r, 0, 0).p, sizeof(m->nonce));
		m->expires_s = db_int(r, 0, 1);
	} else {
		crypto_random(m->nonce, sizeof(m->nonce));
	}
	m->bound.nonce = slice_of((const char *)m->nonce, sizeof(m->nonce));
	return OK;
}

static enum err add(struct db *db, const struct mint *m, struct slice token, struct slice action,
		    struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	uint8_t hash[SHA256_LEN];

	crypto_sha256(token, hash);
	arg_bound(&args, &m->bound);
	db_arg_bytes(&args, m->bound.nonce);
	db_arg_int(&args, m->expires_s);
	db_arg_bytes(&args, slice_of((const char *)hash, sizeof(hash)));
	db_arg_text(&args, action);
	return db_query(db, &store_approval_stmts[ADD], &args, NULL, fail);
}

static enum err add_link(struct db *db, const struct keys *keys, const struct mint *m,
			 enum approval_action action, struct arena *a, struct slice *ret,
			 struct fail *fail)
{
	AUTO(buf_release) struct buf token = BUF_INIT(APPROVAL_TOKEN_MAX);
	uint8_t key[CRYPTO_KEY_LEN];

	approval_key(keys_get(keys, KEY_APPROVAL), &m->bound, key);
	approval_token_make(slice_of((const char *)key, sizeof(key)), m->bound.message_id, action,
			    m->expires_s, &token);
	crypto_wipe(key, sizeof(key));
	assert(!buf_failed(&token));
	*ret = arena_slice(a, buf_slice(&token));
	return add(db, m, *ret, approval_action_name(action), fail);
}

static enum err add_reply(struct db *db, const struct keys *keys, const struct mint *m,
			  struct arena *a, struct slice *ret, struct fail *fail)
{
	char hex[APPROVAL_REPLY_HEX_LEN + 1];

	approval_reply_token(keys_get(keys, KEY_APPROVAL), &m->bound, hex);
	*ret = arena_slice(a, slice_str(hex));
	return add(db, m, *ret, S("reply"), fail);
}

enum err store_approval_mint(struct db *db, const struct keys *keys,
			     const struct store_approval_ask *ask, struct arena *a,
			     struct store_approval_tokens *ret, struct fail *fail)
{
	struct mint m = {
		.bound = { .user_id = ask->user_id,
			   .message_id = ask->message_id,
			   .reviewer = ask->reviewer,
			   .draft_hash = ask->draft_hash },
		.expires_s = ask->hold_expires_us / US_PER_S + STORE_APPROVAL_MORE_S,
	};
	struct store_approval_tokens made = { 0 };
	enum err e = find_nonce(db, &m, fail);

	if (e == OK)
		e = add_link(db, keys, &m, APPROVAL_APPROVE, a, &made.approve, fail);
	if (e == OK)
		e = add_link(db, keys, &m, APPROVAL_REJECT, a, &made.reject, fail);
	if (e == OK && ask->by_reply)
		e = add_reply(db, keys, &m, a, &made.reply, fail);
	if (e == OK)
		*ret = made;
	return e;
}
