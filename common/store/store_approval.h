/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens by which reviewers decide (approval_token.h). A token itself is stored nowhere:
 * its row has the SHA-256 of it, and with the deployment's key what it was made of, so that
 * it can be made again and compared.
 */
#ifndef E2A_STORE_STORE_APPROVAL_H
#define E2A_STORE_STORE_APPROVAL_H

#include "common/base/keys.h"
#include "common/store/db.h"

extern const struct db_stmt store_approval_stmts[];

enum { STORE_APPROVAL_MORE_S = 10 * 60 }; /* a link is good for so long after its hold */

/* What one reviewer is asked about. */
struct store_approval_ask {
	struct slice message_id, user_id;
	struct slice reviewer;   /* address */
	struct slice draft_hash; /* by draft_hash() of the database */
	int64_t hold_expires_us;
	bool by_reply; /* they may decide by answering */
};

/* As they are mailed; in the arena. */
struct store_approval_tokens {
	struct slice approve, reject; /* of links */
	struct slice reply;           /* hex digits of the address for answers, or empty */
	bool first;                   /* they were not there before */
};

/*
 * The tokens of one reviewer about one draft: made the first time, the same ones whenever
 * they are asked for again. In a transaction of the caller's, who has locked the message.
 */
enum err store_approval_mint(struct db *db, const struct keys *keys,
			     const struct store_approval_ask *ask, struct arena *a,
			     struct store_approval_tokens *ret, struct fail *fail) MUST_CHECK;

/* A token that somebody shows, and how things stand with its mail. */
struct store_approval {
	struct slice hash; /* SHA256_LEN bytes; by it store_decide.h knows the token */
	struct slice message_id, user_id;
	struct slice action;   /* "approve", "reject" or "reply" */
	struct slice reviewer; /* address */
	bool expired;          /* by the database's clock */
	struct slice status;   /* of its message; empty: that is gone */
	bool pending;          /* it waits for a decision; only then ... */
	bool asked;            /* ... is the reviewer still asked about the agent's mail */
	bool unchanged;        /* ... and the draft that which the token is about */
};

/*
 * Finds a token as it was mailed: that of a link, or the hex digits of an address for
 * answers. ERR_NOT_FOUND: it was not made here. It decides nothing: whoever acts on it looks
 * at all of the above, and store_decide.h at it again.
 */
enum err store_approval_find(struct db *db, const struct keys *keys, struct slice token,
			     struct arena *a, struct store_approval *ret,
			     struct fail *fail) MUST_CHECK;

/* Deletes at most `limit` that expired more than age_ms ago. */
enum err store_approval_expire(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
			       struct fail *fail) MUST_CHECK;

#endif
