/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of requests that carried an Idempotency-Key. A row is claimed, and
 * its answer kept, in the transaction of the act that it stands for, so it is
 * there exactly when the act is. Rows that are too old count as absent.
 */
#ifndef E2A_STORE_STORE_IDEM_H
#define E2A_STORE_STORE_IDEM_H

#include "common/base/crypto.h"
#include "common/store/db.h"

extern const struct db_stmt store_idem_stmts[];

struct store_idem {
	struct slice owner;               /* who may repeat it */
	struct slice user_id;             /* with whom it goes; empty: nobody */
	uint8_t key_hash[SHA256_LEN];     /* of the key that the client chose */
	uint8_t request_hash[SHA256_LEN]; /* of what was asked for */
	int64_t retention_ms;
};

struct store_idem_answer {
	int status;
	struct slice body; /* lives in the arena */
};

/*
 * The answer to an earlier request under this key. ERR_NOT_FOUND: there was
 * none. ERR_CONFLICT: there was one that asked for something else.
 */
enum err store_idem_find(struct db *db, const struct store_idem *idem, struct arena *a,
			 struct store_idem_answer *ret, struct fail *fail) MUST_CHECK;
/*
 * *ret_mine: the key is this transaction's, and store_idem_keep() has to
 * follow. Else it was used already: store_idem_find() tells for what. A
 * transaction that holds it is waited for, at most wait_ms: ERR_TIMEOUT. Later
 * locks of this transaction are waited for as without that. ERR_UNAUTHORIZED when
 * the user was deleted meanwhile.
 */
enum err store_idem_claim(struct db *db, const struct store_idem *idem, int64_t wait_ms,
			  bool *ret_mine, struct fail *fail) MUST_CHECK;
enum err store_idem_keep(struct db *db, const struct store_idem *idem, int status,
			 struct slice body, struct fail *fail) MUST_CHECK;

#endif
