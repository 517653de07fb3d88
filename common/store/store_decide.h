/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding about held mail. Functions of the database do it (migrations/0019), which look
 * at the credential themselves; e2a-apid's role has no other way. Everything here belongs in
 * a transaction of the caller's, but for store_decide_expire().
 */
#ifndef E2A_STORE_STORE_DECIDE_H
#define E2A_STORE_STORE_DECIDE_H

#include "common/store/store_account.h"
#include "common/store/store_submit.h"

extern const struct db_stmt store_decide_stmts[];

/* Who decides: somebody who may act for the account, or who holds a token. */
struct store_decider {
	struct store_account account; /* user_id always; a credential unless there is a token */
	struct slice token_hash;      /* SHA256_LEN bytes of a token that was mailed, or empty */
	bool by_reply;                /* it is that of an answer by mail */
};

enum store_decision {
	STORE_DECIDED,       /* this one did it */
	STORE_DECIDE_ABSENT, /* the user has no such mail */
	STORE_DECIDE_RESOLVED,
	STORE_DECIDE_UNAUTHORIZED, /* the credential is not good for this, or no more */
	STORE_DECIDE_CHANGED,      /* the mail is not the one that the token is about */
	STORE_DECIDE_UNVERIFIED,   /* nobody has proved the agent's domain */
	STORE_DECIDE_SUPPRESSED,   /* every recipient is on the suppression list */
};

/* A text that is not given stays as it is. */
struct store_hold_edit {
	struct slice subject, text, html;
	bool has_subject, has_text, has_html;
	/* to, cc, bcc and their compared form (as in store_submission) come together */
	bool has_recipients;
	struct store_submit_texts to, cc, bcc, folded;
	bool has_attachments; /* those that are kept, and then these, replace all that there are */
	const int64_t *kept;  /* their numbers from 0 */
	size_t kept_n, files_n; /* of so many */
	const struct store_attachment *attachments;
	size_t attachments_n;
};

/*
 * Changes a held mail that is to be approved in this transaction; only for who acts for
 * the account. STORE_DECIDED: it is changed, and locked. Everything is checked and in its
 * final form.
 */
enum err store_decide_edit(struct db *db, const struct store_decider *by, struct slice message_id,
			   const struct store_hold_edit *edit, enum store_decision *ret,
			   struct fail *fail) MUST_CHECK;
/*
 * Of any number of callers one gets STORE_DECIDED, and the mail has its jobs. Nothing else
 * has to be asked before: whatever may have changed since the mail was held is looked at
 * here. After another outcome the caller rolls back if it has edited the mail.
 */
enum err store_decide_approve(struct db *db, const struct store_decider *by,
			      struct slice message_id, int64_t lifetime_ms, bool count_usage,
			      enum store_decision *ret, struct fail *fail) MUST_CHECK;
/* The same; the mail's text is gone. */
enum err store_decide_reject(struct db *db, const struct store_decider *by, struct slice message_id,
			     struct slice reason, enum store_decision *ret,
			     struct fail *fail) MUST_CHECK;

/* A hold whose time was over. */
struct store_expired {
	struct slice message_id;
	struct slice
		status;   /* "expired_approved", "expired_rejected"; empty: it could not be ended */
	struct slice why; /* and why, for the ledger or the log */
};

/* Ends at most `limit` of them, oldest first; not in a transaction of the caller's. */
enum err store_decide_expire(struct db *db, int64_t limit, int64_t lifetime_ms, bool count_usage,
			     struct arena *a, struct store_expired **ret, size_t *ret_n,
			     struct fail *fail) MUST_CHECK;

#endif
