/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that agents wrote, for reading: what was asked for, and what became of it at each
 * recipient. Every look-up names the user; what an agent may see of itself is mail that
 * left, never what a human holds back or has refused. Expired mail is not shown, unless a
 * human has still to decide about it.
 */
#ifndef E2A_STORE_STORE_SENT_H
#define E2A_STORE_STORE_SENT_H

#include "common/store/db.h"

extern const struct db_stmt store_sent_stmts[];

struct store_sent_recipient {
	struct slice address;
	struct slice kind;   /* "to", "cc" or "bcc" */
	struct slice status; /* queued, sent, deferred, delivered, failed, bounced */
	struct slice code;   /* RFC 3463, may be empty */
	struct slice detail; /* what the server said, or a word of ours; may be empty */
	int64_t updated_us;
};

struct store_sent {
	struct slice id;
	int64_t created_us;
	struct slice agent; /* email */
	struct slice subject;
	struct slice type; /* "send", "reply" or "test" */
	struct slice conversation_id;
	struct slice *to, *cc, *bcc;
	size_t to_n, cc_n, bcc_n;
	struct slice status;
	bool held; /* status is "pending_approval" */
	bool left; /* it was given to the queue, at once or after it was approved */
	int64_t approval_expires_us; /* 0: nobody had to approve it */
	struct slice hold_reason;
	struct slice in_reply_to; /* Message-ID that it answers, or empty */
	struct slice message_id;  /* its own, with angle brackets */
	bool edited;
	int64_t reviewed_us;         /* 0: nobody decided */
	struct slice reviewed_by;    /* an address, or the id of an API key; or empty */
	struct slice review_channel; /* api, session, link, mail, expiry; or empty */
	struct slice rejection_reason;
	struct store_sent_recipient *recipients; /* of mail that left */
	size_t recipients_n;
};

/* Any of the user's, in whatever state. ERR_NOT_FOUND. */
enum err store_sent_find(struct db *db, struct slice user_id, struct slice id, struct arena *a,
			 struct store_sent *ret, struct fail *fail) MUST_CHECK;
/* One of this agent's (email) that left. ERR_NOT_FOUND. */
enum err store_sent_find_own(struct db *db, struct slice user_id, struct slice agent,
			     struct slice id, struct arena *a, struct store_sent *ret,
			     struct fail *fail) MUST_CHECK;

/*
 * The id of the newest mail of its agent's that this one answers, among the 5000 that came
 * before it. ERR_NOT_FOUND.
 */
enum err store_sent_find_answered(struct db *db, struct slice user_id, struct slice id,
				  struct arena *a, struct slice *ret, struct fail *fail) MUST_CHECK;

struct store_sent_page {
	struct slice user_id;
	struct slice agent;     /* email */
	int64_t before_us;      /* where to go on ... */
	struct slice before_id; /* ... empty: at the newest */
	int64_t limit;
};

/* What left of this agent's, newest first; *ret_more: there is more behind the last one. */
enum err store_sent_list(struct db *db, const struct store_sent_page *page, struct arena *a,
			 struct store_sent **ret, size_t *ret_n, bool *ret_more,
			 struct fail *fail) MUST_CHECK;

/* Behind which one a list of held mail goes on; zeroed: it begins. */
struct store_sent_held_key {
	int64_t expires_us;
	struct slice id;
};

/* What waits for a human, of all the user's agents; what is over first comes first. */
enum err store_sent_list_held(struct db *db, struct slice user_id,
			      const struct store_sent_held_key *after, int64_t limit,
			      struct arena *a, struct store_sent **ret, size_t *ret_n,
			      bool *ret_more, struct fail *fail) MUST_CHECK;

#endif
