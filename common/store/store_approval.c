/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tokens. No token may get into the database in the clear, nor into an error. */
#include "common/store/store_approval.h"

#include "common/mail/approval_token.h"

#include <assert.h>

enum { US_PER_S = 1000000 };
enum { NONCE, ADD, FIND, EXPIRE };

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
	/* w is its message while that waits */
	[FIND] = { "approval_find",
		   "SELECT t.message_id, t.user_id, t.reviewer, t.draft_hash, t.nonce, t.action, "
		   "t.expires_at <= clock_timestamp(), coalesce(m.status, ''), "
		   "w.id IS NOT NULL, w.id IS NOT NULL AND EXISTS (SELECT "
		   "FROM hold_reviewers(w.agent_email) r WHERE lower(r.address) = lower(t.reviewer)), "
		   "coalesce(draft_hash(w.id) = t.draft_hash, false) FROM approval_tokens t "
		   "LEFT JOIN messages m ON m.id = t.message_id AND m.user_id = t.user_id "
		   "AND m.direction = 'outbound' "
		   "LEFT JOIN messages w ON w.id = m.id AND w.status = 'pending_approval' "
		   "WHERE t.hash = $1::bytea",
		   false },
	[EXPIRE] = { "approval_expire",
		     "DELETE FROM approval_tokens WHERE hash = ANY (ARRAY("
		     "SELECT t.hash FROM approval_tokens t "
		     "WHERE t.expires_at < now() - $1::bigint * interval '1 ms' "
		     "ORDER BY t.expires_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1",
		     true },
	{ 0 },
};

struct mint {
	struct approval_binding bound;
	uint8_t nonce[APPROVAL_NONCE_LEN];
	int64_t expires_s;
	bool first;
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
		m->first = true;
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
	made.first = m.first;
	if (e == OK)
		*ret = made;
	return e;
}

/* ---- a token that is shown ---- */

/* Rows could be written by somebody who has the database and not the key. */
static bool is_ours(const struct keys *keys, const struct approval_binding *b, struct slice action,
		    struct slice token, struct arena *a)
{
	struct slice deployment = keys_get(keys, KEY_APPROVAL);
	char reply[APPROVAL_REPLY_HEX_LEN + 1];
	uint8_t key[CRYPTO_KEY_LEN];
	struct approval_token t;
	bool ours;

	if (b->nonce.n != APPROVAL_NONCE_LEN || b->draft_hash.n != SHA256_LEN)
		return false;
	if (slice_eq(action, S("reply"))) {
		approval_reply_token(deployment, b, reply);
		return crypto_equal(token, slice_str(reply));
	}
	if (approval_token_read(token, a, &t))
		return false;
	approval_key(deployment, b, key);
	ours = approval_token_is(slice_of((const char *)key, sizeof(key)), &t) &&
	       slice_eq(t.message_id, b->message_id) &&
	       slice_eq(approval_action_name(t.action), action);
	crypto_wipe(key, sizeof(key));
	return ours;
}

static void read_bound(const struct db_rows *r, struct arena *a, struct approval_binding *ret)
{
	*ret = (struct approval_binding){
		.message_id = db_text(r, 0, 0, a),
		.user_id = db_text(r, 0, 1, a),
		.reviewer = db_text(r, 0, 2, a),
		.draft_hash = db_text(r, 0, 3, a),
		.nonce = db_text(r, 0, 4, a),
	};
}

static void read_found(const struct db_rows *r, const struct approval_binding *b, struct arena *a,
		       struct store_approval *ret)
{
	*ret = (struct store_approval){
		.message_id = b->message_id,
		.user_id = b->user_id,
		.reviewer = b->reviewer,
		.action = db_text(r, 0, 5, a),
		.expired = db_bool(r, 0, 6),
		.status = db_text(r, 0, 7, a),
		.pending = db_bool(r, 0, 8),
		.asked = db_bool(r, 0, 9),
		.unchanged = db_bool(r, 0, 10),
	};
}

enum err store_approval_find(struct db *db, const struct keys *keys, struct slice token,
			     struct arena *a, struct store_approval *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct approval_binding bound;
	uint8_t hash[SHA256_LEN];
	enum err e;

	crypto_sha256(token, hash);
	db_arg_bytes(&args, slice_of((const char *)hash, sizeof(hash)));
	e = db_query(db, &store_approval_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r))
		read_bound(r, a, &bound);
	if (db_rows_count(r) == 0 || !is_ours(keys, &bound, db_slice(r, 0, 5), token, a))
		return fail_set(fail, ERR_NOT_FOUND, "no such token was made here");
	read_found(r, &bound, a, ret);
	ret->hash = arena_slice(a, slice_of((const char *)hash, sizeof(hash)));
	return OK;
}

enum err store_approval_expire(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
			       struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, age_ms);
	db_arg_int(&args, limit);
	return db_query_count(db, &store_approval_stmts[EXPIRE], &args, ret_n, fail);
}
