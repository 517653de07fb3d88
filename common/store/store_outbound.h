/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of mail from agents, for the workers that hand it to Postfix. A job
 * is claimed, and the attempt written down, before the first byte goes out; so a
 * job whose worker vanished shows that Postfix may have the mail, and by which
 * envelope sender it can be asked.
 */
#ifndef E2A_STORE_STORE_OUTBOUND_H
#define E2A_STORE_STORE_OUTBOUND_H

#include "common/store/db.h"
#include "common/store/store_event.h"

extern const struct db_stmt store_outbound_stmts[];

enum { STORE_OUTBOUND_BATCH_MAX = 64 };

struct store_attachment {
	struct slice filename, content_type;
	struct slice data; /* decoded */
};

/* A claimed job with all that its mail is made of. */
struct store_outbound_job {
	struct slice id;
	struct slice message_id; /* "msg_..." */
	struct slice user_id;
	struct slice agent_email, agent_name, domain; /* of the agent */
	bool world;                                   /* else its recipients are agents of ours */
	bool expired;                                 /* not to be tried again */
	int64_t attempts;                             /* this one included */
	int64_t size;                                 /* bytes of the draft, or of the mail */
	struct slice type;                            /* "send", "reply", "test" */
	struct slice author;                          /* header From */
	struct slice email_message_id;                /* <...> */
	struct slice in_reply_to;                     /* <...>, or empty */
	struct slice conversation_id, auto_submitted, subject;
	struct slice text, html;
	int64_t date_us; /* when it was accepted, or approved */
	/*
	 * It was held, so what leaves is what was approved: `altered` if the draft is another
	 * one. (A draft that is gone is, of whichever mail.) Once it was composed, `mail` is
	 * what every attempt sends, if its SHA-256 is `hash`; text, html and attachments are
	 * empty then.
	 */
	bool held, altered, composed;
	struct slice mail, hash;
	struct slice *to, *cc; /* of the header */
	size_t to_n, cc_n;
	struct slice *references;
	size_t references_n;
	struct slice *rcpts; /* of the envelope: who is still to get it */
	size_t rcpts_n;
	struct store_attachment *attachments;
	size_t attachments_n;
};

struct store_outbound_claim {
	struct slice lease_id;
	int64_t lease_ms;
	int64_t limit;           /* jobs, at most STORE_OUTBOUND_BATCH_MAX */
	int64_t max_bytes;       /* of drafts, over all of them */
	bool any_size;           /* a first one may be larger */
	struct slice after_user; /* whose turn it was last; empty: from the first one */
};

/*
 * Leases due jobs, the users in turn, and fails recipients that their user
 * suppresses. In a transaction of the caller's, together with
 * store_outbound_attempt(). The jobs live in the arena, their texts in *ret_rows.
 */
enum err store_outbound_claim(struct db *db, const struct store_outbound_claim *claim,
			      struct arena *a, struct store_outbound_job **ret, size_t *ret_n,
			      struct db_rows **ret_rows, struct fail *fail) MUST_CHECK;
/*
 * Writes down by which envelope sender each of n jobs is about to be injected, where, and how
 * long it may take.
 */
enum err store_outbound_attempt(struct db *db, const struct store_outbound_job *jobs, size_t n,
				const struct slice *verps, struct slice host, int64_t lease_ms,
				struct fail *fail) MUST_CHECK;

/*
 * Keeps the composed mail of a job that was held, before anything of it is sent; *ret_ours
 * is false when the lease is somebody else's by now. Atomic. When the commit is unknown, the
 * next claim tells.
 */
enum err store_outbound_keep(struct db *db, struct slice job_id, struct slice lease_id,
			     struct slice hash, struct slice mail, bool *ret_ours,
			     struct fail *fail) MUST_CHECK;

/* The order is that of outcome_name() in the .c file. */
enum store_outbound_outcome {
	STORE_OUTBOUND_TAKEN,   /* Postfix has it, for the recipients that did not fail */
	STORE_OUTBOUND_LATER,   /* it has not: another attempt after wait_ms */
	STORE_OUTBOUND_SNOOZED, /* the same, and this attempt does not count */
	STORE_OUTBOUND_LOST,    /* it may have it: to be traced after wait_ms */
	STORE_OUTBOUND_UNKNOWN, /* that could not be found out: to be traced again after wait_ms */
	STORE_OUTBOUND_REFUSED, /* nobody is left who could get it */
	STORE_OUTBOUND_FAILED,  /* given up */
};

struct store_outbound_result {
	struct slice job_id, lease_id;
	enum store_outbound_outcome outcome;
	int64_t wait_ms;
	enum event_reason reason;
};

/* What became of one recipient of such a job. */
struct store_outbound_rcpt {
	struct slice job_id, address;
	const char *status; /* "queued" while it is still to be tried, "sent", "failed" */
	struct slice code, detail;
};

/*
 * Ends attempts. Each job is compared with its lease; *ret_n says how many were still
 * ours. Drafts that nobody needs any more are erased. Atomic.
 */
enum err store_outbound_finish(struct db *db, const struct store_outbound_result *v, size_t n,
			       const struct store_outbound_rcpt *rcpts, size_t rcpts_n,
			       size_t *ret_n, struct fail *fail) MUST_CHECK;

/* ---- attempts of which nobody knows the end ---- */

struct store_outbound_lost {
	struct slice job_id, message_id, verp;
	int64_t started_us;
	int64_t over_us; /* after that it was not under way any more */
	int64_t attempts;
	bool unknown;  /* it was asked for before, in vain */
	bool foreign;  /* another host made the attempt: its Postfix cannot be asked here */
	bool reported; /* something came back to it */
	struct slice *rcpts;
	size_t rcpts_n;
};

struct store_outbound_trace {
	struct slice lease_id;
	int64_t lease_ms;
	struct slice host;  /* whose Postfix we can ask */
	int64_t foreign_ms; /* attempts of other hosts that are so late are taken too */
	int64_t limit;
};

/* Leases jobs whose lease is over. Everything lives in the arena. */
enum err store_outbound_trace(struct db *db, const struct store_outbound_trace *t, struct arena *a,
			      struct store_outbound_lost **ret, size_t *ret_n,
			      struct fail *fail) MUST_CHECK;

#endif
