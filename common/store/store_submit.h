/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting mail that an agent writes. Functions of the database do it, which look at
 * the agent's own row and decide whether the mail is sent or held (migrations/0014);
 * e2a-apid's role has no other way.
 */
#ifndef E2A_STORE_STORE_SUBMIT_H
#define E2A_STORE_STORE_SUBMIT_H

#include "common/store/db.h"

extern const struct db_stmt store_submit_stmts[];

struct store_submit_texts {
	const struct slice *v;
	size_t n;
};

struct store_attachment {
	struct slice filename, content_type;
	struct slice data; /* decoded */
};

/* Everything is checked and in its final form; texts are UTF-8 without NUL. */
struct store_submission {
	struct slice id;
	struct slice user_id;
	struct slice agent;      /* email */
	struct slice kind;       /* "send", "reply" or "test" */
	struct slice author;     /* header From */
	struct slice message_id; /* Message-ID, with its angle brackets */
	struct slice subject, text, html;
	struct store_submit_texts to, cc, bcc;
	struct store_submit_texts folded; /* to, cc and bcc, one behind the other, by addr_fold() */
	struct slice conversation_id;
	struct slice in_reply_to;
	struct store_submit_texts references;
	struct slice auto_submitted; /* RFC 3834 5, or empty */
	const struct store_attachment *attachments;
	size_t attachments_n;
	struct slice thread; /* whose budget it takes from; empty: it begins one */
	int64_t reply_budget, reply_budget_window_ms;
	int64_t retention_ms;
	int64_t lifetime_ms; /* how long Postfix is tried */
	bool count_usage;
};

struct store_submitted {
	bool held;
	struct slice hold_reason; /* "hitl" or "reply_budget", else empty */
	int64_t expires_us;       /* of a hold */
};

/*
 * In a transaction of the caller's: all of it is stored, with its jobs unless it is held.
 * ERR_NOT_FOUND when the user has no such agent, or nobody has proved its domain. Texts of
 * *ret are in the arena.
 */
enum err store_submit(struct db *db, const struct store_submission *s, struct arena *a,
		      struct store_submitted *ret, struct fail *fail) MUST_CHECK;
/*
 * Adds the attachment number `place`, counted from 0, to a mail whose draft this transaction
 * has written.
 */
enum err store_submit_attach(struct db *db, struct slice message_id,
			     const struct store_attachment *at, size_t place,
			     struct fail *fail) MUST_CHECK;
/*
 * Tells e2a-deliverd that there are jobs. After the commit and outside of any
 * transaction: commits that notify wait for each other.
 */
enum err store_submit_announce(struct db *db, struct fail *fail) MUST_CHECK;

#endif
