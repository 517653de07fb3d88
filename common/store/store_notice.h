/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Held mail as those are told of it who decide: one mail job for each reviewer, and another
 * one that reminds them.
 */
#ifndef E2A_STORE_STORE_NOTICE_H
#define E2A_STORE_STORE_NOTICE_H

#include "common/store/db.h"

extern const struct db_stmt store_notice_stmts[];

struct store_notice_file {
	struct slice filename;
	int64_t bytes;
};

struct store_notice {
	struct slice message_id, user_id;
	struct slice agent, domain; /* address, and the domain of it in A-labels */
	struct slice type;          /* "send", "reply", "test" */
	struct slice hold_reason;   /* "hitl", "reply_budget" */
	struct slice subject;
	struct slice *to, *cc, *bcc;
	size_t to_n, cc_n, bcc_n;
	int64_t expires_us;
	int64_t left_ms;     /* until then, by the database's clock; below 0 when it is over */
	bool sent_at_expiry; /* as its agent is set now; else it is discarded */
	struct slice draft_hash;
	bool full_text, by_reply; /* what this reviewer chose */
	/* with full_text: */
	struct slice text; /* the beginning of it */
	int64_t text_bytes, html_bytes;
	struct store_notice_file *files;
	size_t files_n;
};

/* A leased mail job that is about a message. */
struct store_notice_job {
	struct slice id, lease_id;
	struct slice sender; /* address that the notice comes from */
};

enum store_notice_state {
	STORE_NOTICE_NEEDED,
	STORE_NOTICE_NEEDLESS, /* decided, or this reviewer is none any more, or gets it anyway */
	STORE_NOTICE_EXPOSED,  /* an agent owns the sender's address, and would read answers */
};

/*
 * Locks the held mail of a job, and loads it with at most text_max characters of its text. In
 * a transaction of the caller's: until it ends nobody decides. *ret is filled when it is needed.
 */
enum err store_notice_load(struct db *db, const struct store_notice_job *job, int64_t text_max,
			   struct arena *a, struct store_notice *ret,
			   enum store_notice_state *ret_state, struct fail *fail) MUST_CHECK;
/* Adds the job that reminds the same reviewer, before_ms before the hold ends. */
enum err store_notice_remind(struct db *db, struct slice job_id, int64_t before_ms,
			     struct fail *fail) MUST_CHECK;

#endif
