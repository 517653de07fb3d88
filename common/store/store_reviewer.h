/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reviewers: who is asked about the mail of an agent that waits. The account names them,
 * the human answers by a link that was mailed to them, and chooses what they get.
 * Functions of the database do both (migrations/0020), which look at the credential or the
 * link themselves. While an agent has no active one, its owner is asked.
 */
#ifndef E2A_STORE_STORE_REVIEWER_H
#define E2A_STORE_STORE_REVIEWER_H

#include "common/store/store_account.h"

extern const struct db_stmt store_reviewer_stmts[];

struct store_reviewer {
	struct slice id;
	struct slice agent;   /* email */
	struct slice address; /* as addr_usable() has it */
	struct slice state;   /* "pending"; "expired": it was; "active"; "declined"; "left" */
	bool full_text;       /* what waits is mailed to them as text */
	bool by_reply;        /* they may decide by answering that mail */
	int64_t created_us;
	int64_t link_expires_us; /* while they have not agreed */
	int64_t confirmed_us;    /* 0: they never did */
};

/* ---- for the account ---- */

struct store_reviewer_ask {
	struct store_account account;
	struct slice agent; /* email, of the user's */
	struct slice address;
	struct slice folded;      /* by addr_fold(): one reviewer of an agent */
	const uint8_t *link_hash; /* SHA256_LEN bytes */
	bool mailed;              /* the link may go to the human; else they keep the one before */
	int64_t lifetime_ms;      /* of the link */
	int64_t most;             /* that an agent may have */
};

struct store_reviewer_asked {
	struct store_reviewer is;
	bool made;
	bool mailed; /* the link is to go to the human: they have not agreed, nor ever declined */
};

/*
 * The reviewer of this agent and address: as they are when they agreed or declined, else
 * made, or asked once more. In a transaction of the caller's. ERR_UNAUTHORIZED when the
 * credential is not good; ERR_NOT_FOUND when the agent is gone; ERR_TOO_BIG when it has
 * `most`.
 */
enum err store_reviewer_ask(struct db *db, const struct store_reviewer_ask *ask, struct arena *a,
			    struct store_reviewer_asked *ret, struct fail *fail) MUST_CHECK;
/* Those of an agent, newest first. */
enum err store_reviewer_list(struct db *db, struct slice user_id, struct slice agent,
			     struct arena *a, struct store_reviewer **ret, size_t *ret_n,
			     struct fail *fail) MUST_CHECK;
/* ERR_NOT_FOUND when there is none, ERR_UNAUTHORIZED. */
enum err store_reviewer_remove(struct db *db, const struct store_account *account,
			       struct slice agent, struct slice id, struct fail *fail) MUST_CHECK;

/* ---- for the human, who shows the link ---- */

struct store_reviewer_link {
	struct store_reviewer is;
	struct slice user_id, user_name, user_email; /* who asks */
	bool live;                                   /* the link is of use */
};

enum store_reviewer_answer {
	STORE_REVIEWER_USELESS, /* the link does not exist, is too old, or not good for that */
	STORE_REVIEWER_ACCEPTED,
	STORE_REVIEWER_SAVED, /* they had agreed before: their choices are these now */
	STORE_REVIEWER_DECLINED,
	STORE_REVIEWER_LEFT, /* they had agreed before */
};

/* ERR_NOT_FOUND for a link that is unknown, or that was replaced. */
enum err store_reviewer_find(struct db *db, const uint8_t link_hash[SHA256_LEN], struct arena *a,
			     struct store_reviewer_link *ret, struct fail *fail) MUST_CHECK;
/* by_reply needs full_text. Useless also when agents could read mail to the human by now. */
enum err store_reviewer_accept(struct db *db, const uint8_t link_hash[SHA256_LEN], bool full_text,
			       bool by_reply, enum store_reviewer_answer *ret,
			       struct fail *fail) MUST_CHECK;
/* Useless also when they have declined or left before. */
enum err store_reviewer_decline(struct db *db, const uint8_t link_hash[SHA256_LEN],
				enum store_reviewer_answer *ret, struct fail *fail) MUST_CHECK;

#endif
