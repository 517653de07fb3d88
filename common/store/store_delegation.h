/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delegations: on whose behalf an agent writes. The account asks, the human answers by a
 * link that was mailed to them; either may end it, and whoever decides first has
 * decided. An ended one stays to be seen.
 */
#ifndef E2A_STORE_STORE_DELEGATION_H
#define E2A_STORE_STORE_DELEGATION_H

#include "common/base/crypto.h"
#include "common/store/db.h"

extern const struct db_stmt store_delegation_stmts[];

struct store_delegation {
	struct slice id;
	struct slice agent; /* email */
	struct slice human; /* as addr_usable() has it */
	struct slice state; /* "pending"; "expired": it was; "active"; "revoked" */
	int64_t created_us;
	int64_t link_expires_us;          /* until it is confirmed */
	int64_t confirmed_us, revoked_us; /* 0: not */
};

/* ---- for the account ---- */

struct store_delegation_ask {
	struct slice user_id;
	struct slice agent; /* email, of the user's */
	struct slice human;
	const uint8_t *link_hash; /* SHA256_LEN bytes */
	bool mailed;              /* the link may go to the human; else they keep the one before */
	int64_t lifetime_ms;      /* of the link */
	int64_t most;             /* that an agent may have which are not revoked */
};

struct store_delegation_asked {
	struct store_delegation is;
	bool made;
	bool mailed; /* the link is to go to the human: they have not agreed, nor ever declined */
};

/*
 * The delegation of this agent and human (upper and lower case are one) that is not
 * revoked: renewed while it waits for the human, as it is when they agreed, else made.
 * In a transaction of the caller's. ERR_NOT_FOUND when the agent is gone; ERR_TOO_BIG
 * when it has `most`.
 */
enum err store_delegation_ask(struct db *db, const struct store_delegation_ask *ask,
			      struct arena *a, struct store_delegation_asked *ret,
			      struct fail *fail) MUST_CHECK;

struct store_delegation_key {
	int64_t created_us;
	struct slice id; /* empty: at the beginning */
};

/* Those of an agent behind `after`, newest first, at most `limit`. */
enum err store_delegation_list(struct db *db, struct slice user_id, struct slice agent,
			       const struct store_delegation_key *after, int64_t limit,
			       struct arena *a, struct store_delegation **ret, size_t *ret_n,
			       bool *ret_more, struct fail *fail) MUST_CHECK;
/* *ret_ended is false when it was revoked already. ERR_NOT_FOUND when there is none. */
enum err store_delegation_revoke(struct db *db, struct slice user_id, struct slice agent,
				 struct slice id, bool *ret_ended, struct fail *fail) MUST_CHECK;

/* ---- for the human, who shows the link ---- */

struct store_delegation_link {
	struct store_delegation is;
	struct slice user_id, user_name, user_email; /* who asks */
};

/* ERR_NOT_FOUND for a link that is unknown, or that was replaced. */
enum err store_delegation_find(struct db *db, const uint8_t link_hash[SHA256_LEN], struct arena *a,
			       struct store_delegation_link *ret, struct fail *fail) MUST_CHECK;
/*
 * Of any number of callers one gets OK and the delegation as it is now. ERR_CONFLICT
 * unless it is pending, and when the human's domain has come to this deployment since.
 */
enum err store_delegation_confirm(struct db *db, const uint8_t link_hash[SHA256_LEN],
				  struct arena *a, struct store_delegation_link *ret,
				  struct fail *fail) MUST_CHECK;
/*
 * The same; ERR_CONFLICT unless it is pending or active. Who ends a pending one declined:
 * the account's questions go to them no more, with whatever tag.
 */
enum err store_delegation_end(struct db *db, const uint8_t link_hash[SHA256_LEN], struct arena *a,
			      struct store_delegation_link *ret, struct fail *fail) MUST_CHECK;

#endif
