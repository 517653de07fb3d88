/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that a user's agents write to no more, because mail to them came back
 * for good. An address is compared as addr_fold() gives it.
 */
#ifndef E2A_STORE_STORE_SUPPRESSION_H
#define E2A_STORE_STORE_SUPPRESSION_H

#include "common/store/db.h"

extern const struct db_stmt store_suppression_stmts[];

struct store_suppression {
	struct slice address;
	struct slice reason;     /* "bounce" */
	struct slice code;       /* RFC 3463, may be empty */
	struct slice detail;     /* what the server said, may be empty */
	struct slice message_id; /* whose report it was; empty: unknown */
	int64_t created_us;
};

/* Where a list goes on: behind this one. */
struct store_suppression_key {
	int64_t created_us;
	struct slice address; /* empty: at the beginning */
};

/* Newest first, at most `limit`; *ret_more tells whether there are more behind the last one. */
enum err store_suppression_list(struct db *db, struct slice user_id,
				const struct store_suppression_key *after, int64_t limit,
				struct arena *a, struct store_suppression **ret, size_t *ret_n,
				bool *ret_more, struct fail *fail) MUST_CHECK;
/* The one of this address, or ERR_NOT_FOUND. */
enum err store_suppression_find(struct db *db, struct slice user_id, struct slice address,
				struct arena *a, struct store_suppression *ret,
				struct fail *fail) MUST_CHECK;
/* ERR_NOT_FOUND when the user has no such address on the list. */
enum err store_suppression_delete(struct db *db, struct slice user_id, struct slice address,
				  struct fail *fail) MUST_CHECK;
/* Which of n folded addresses are on the user's list: ret[i] for folded[i]. */
enum err store_suppression_check(struct db *db, struct slice user_id, const struct slice *folded,
				 size_t n, bool *ret, struct fail *fail) MUST_CHECK;

#endif
