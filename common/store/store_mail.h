/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail of the deployment itself (sign-in links, feedback, questions, held mail): jobs that
 * e2a-deliverd sends. What is to be said lies sealed, because it may hold a token; or, about
 * held mail, it is made when it is sent (store_notice.h), and the row says for whom.
 */
#ifndef E2A_STORE_STORE_MAIL_H
#define E2A_STORE_STORE_MAIL_H

#include "common/base/keys.h"
#include "common/store/db.h"

extern const struct db_stmt store_mail_stmts[];

struct store_mail {
	const char *kind;      /* as in the table; not one that is about a message */
	struct slice user_id;  /* empty: nobody's */
	struct slice to;       /* addr-spec */
	struct slice reply_to; /* addr-spec, or empty */
	struct slice subject;  /* UTF-8, one line */
	struct slice text;     /* UTF-8, lines ended by LF */
	int64_t lifetime_ms;   /* of no use after that */
};

/* Adds a job, to be called in the transaction of what it is about, and wakes deliverd. */
enum err store_mail_add(struct db *db, const struct keys *keys, const struct store_mail *mail,
			struct fail *fail) MUST_CHECK;

/* ---- for the worker that sends them ---- */

/* A leased job. Its texts live in the arena. */
struct store_mail_job {
	struct slice id;
	struct slice kind;
	struct slice to;
	struct slice message_id; /* "msg_..." that it is about, or empty */
	struct slice subject, text, reply_to;
	int64_t attempts; /* made before this one */
	int64_t created_us;
	bool expired;    /* of no use any more */
	bool unreadable; /* sealed with another key, for another row, or not: no subject, no text */
};

struct store_mail_claim {
	struct slice lease_id;
	int64_t lease_ms;
	int64_t limit;
	bool no_holds; /* nothing about held mail, of which there may be very much */
};

/* Leases due jobs, oldest first. */
enum err store_mail_claim(struct db *db, const struct keys *keys,
			  const struct store_mail_claim *claim, struct arena *a,
			  struct store_mail_job **ret, size_t *ret_n, struct fail *fail) MUST_CHECK;
/* Ends a job whose mail was handed over. *ret_ours is false when the lease was lost. */
enum err store_mail_sent(struct db *db, struct slice id, struct slice lease_id, bool *ret_ours,
			 struct fail *fail) MUST_CHECK;

enum store_mail_state { STORE_MAIL_LOST, STORE_MAIL_PENDING, STORE_MAIL_FAILED };

struct store_mail_failure {
	struct slice id;
	struct slice lease_id;
	struct slice why; /* for the operator, without addresses or texts */
	bool final;
	const int64_t *schedule_ms; /* waits after the attempts; the last one repeats */
	size_t schedule_n;
};

/*
 * Notes a failed attempt. The next one is due after its wait, a fifth more or
 * less by chance; when that would be too late, or when the failure is final,
 * the job has failed and what it says is gone. The ledger of a message has it that
 * somebody was not told of it.
 */
enum err store_mail_failed(struct db *db, const struct store_mail_failure *f,
			   enum store_mail_state *ret, struct fail *fail) MUST_CHECK;
/* Deletes at most `limit` jobs that failed more than age_ms ago. */
enum err store_mail_expire(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
			   struct fail *fail) MUST_CHECK;

#endif
