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
};

/*
 * The tokens of one reviewer about one draft: made the first time, the same ones whenever
 * they are asked for again. In a transaction of the caller's, who has locked the message.
 */
enum err store_approval_mint(struct db *db, const struct keys *keys,
			     const struct store_approval_ask *ask, struct arena *a,
			     struct store_approval_tokens *ret, struct fail *fail) MUST_CHECK;

#endif
