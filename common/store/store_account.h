/* SPDX-License-Identifier: Apache-2.0 */
/* The account as a whole: who may act for it, and its end. */
#ifndef E2A_STORE_STORE_ACCOUNT_H
#define E2A_STORE_STORE_ACCOUNT_H

#include "common/base/crypto.h"
#include "common/store/db.h"

extern const struct db_stmt store_account_stmts[];

/* Whose account, and what shows that the asker may act for all of it: one of the two. */
struct store_account {
	struct slice user_id;
	struct slice key_id;       /* of an API key of the account, or empty */
	struct slice session_hash; /* SHA256_LEN bytes, or empty */
};

/* Adds the two as arguments, for statements that ask the database whether they are good. */
void store_account_arg(struct db_args *args, const struct store_account *account);

struct store_account_deleted {
	int64_t usage_events, usage_summaries, messages, agents, domains, api_keys, sessions;
};

/*
 * Deletes the user and whatever belongs to them, in time that grows with the
 * mail, and tells deliverd that domains are gone. The addresses of the agents
 * stay reserved for `address_retention_ms`, on the shared domain for good.
 * ERR_UNAUTHORIZED when the credential is not good, also because the account is gone;
 * ERR_STORAGE while somebody else is deleting it.
 */
enum err store_account_delete(struct db *db, const struct store_account *account,
			      int64_t address_retention_ms, struct store_account_deleted *ret,
			      struct fail *fail) MUST_CHECK;

#endif
