/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of reviewers by mail: what they are told of the mail they answer about, and the
 * ledger of answers that decided nothing. Everything here belongs in a transaction of the
 * caller's; store_approval.h finds the token, store_decide.h decides.
 */
#ifndef E2A_STORE_STORE_ANSWER_H
#define E2A_STORE_STORE_ANSWER_H

#include "common/store/db.h"

extern const struct db_stmt store_answer_stmts[];

/* The mail that a token is about; all empty when it is gone. In the arena. */
struct store_answer_mail {
	struct slice agent, subject;
	struct slice channel, decided_by; /* once the hold has ended */
};

/* Locks the token, so that answers to it come one by one. ERR_NOT_FOUND: there is none. */
enum err store_answer_lock(struct db *db, struct slice token_hash, struct arena *a,
			   struct store_answer_mail *ret, struct fail *fail) MUST_CHECK;

struct store_answer_ignored {
	struct slice token_hash;
	struct slice reason;
	struct slice queue_id;
	bool authentic; /* counted apart: strangers must not use up a reviewer's share */
	int64_t most;   /* rows of either kind that a token may have */
};

/*
 * Writes down that an answer decided nothing. *ret_written is false for one that is
 * there already, and when there are enough.
 */
enum err store_answer_ignore(struct db *db, const struct store_answer_ignored *i, bool *ret_written,
			     struct fail *fail) MUST_CHECK;

#endif
