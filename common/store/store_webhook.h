/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The durable queues of webhook calls, one per agent. A job is a row of webhook_jobs; whoever
 * calls the webhook holds its lease. A row of webhook_queues says when a queue wants to be
 * looked at, and keeps the breaker of its endpoint. All times that decide are the database's.
 */
#ifndef E2A_STORE_STORE_WEBHOOK_H
#define E2A_STORE_STORE_WEBHOOK_H

#include "common/store/db.h"
#include "common/store/store_event.h"

enum { WEBHOOK_SECRETS_MAX = 8, WEBHOOK_BATCH_MAX = 500 };

/* One leased job with all that an attempt needs. */
struct webhook_row {
	struct slice message_id;
	struct slice user_id;
	struct slice agent_email;
	struct slice webhook_url; /* empty when the agent is not in cloud mode any more */
	struct slice recipient;
	struct slice header_from;
	struct slice *reply_to, *to, *cc;
	size_t reply_to_n, to_n, cc_n;
	struct slice conversation_id;
	bool verified;
	struct slice sender, entity_type, domain_check, delegation;
	uint8_t sha256[32];
	int64_t received_us;
	int64_t attempts;                   /* made before this one */
	struct slice *secret_ids, *secrets; /* sealed, newest first */
	size_t secrets_n;
	struct slice raw;
};

struct webhook_claim {
	struct slice lease_id;
	int64_t lease_ms;
	int64_t limit;            /* jobs */
	int64_t max_bytes;        /* of raw mail, over all of them; a first one may be larger */
	int64_t per_queue;        /* jobs of one queue */
	int64_t drain_rate;       /* jobs a second of a queue whose endpoint is back */
	const struct slice *skip; /* agents whose endpoint has enough to do */
	size_t skip_n;
	struct slice after_user; /* users have their turns from the one behind it on */
};

/* How failures are answered. */
struct webhook_patience {
	const int64_t *schedule_ms; /* waits between the attempts of a job */
	size_t schedule_n;
	int64_t breaker_failures; /* in a row, after which an endpoint is left alone */
	int64_t breaker_wait_ms;  /* ... for 5 s, then twice as long each time, up to this */
};

/* What became of one attempt. The slices must outlive the call. */
struct webhook_result {
	struct slice message_id;
	struct slice lease_id;
	struct slice secret_id;   /* the one that signed, or empty */
	enum event_reason reason; /* EVENT_NO_REASON: delivered */
	int64_t http_status;      /* 0: no answer */
	int64_t duration_ms;
	int64_t retry_after_ms; /* asked for by the endpoint, or 0 */
	struct slice answer;    /* what a failure's answer said, clean UTF-8, or empty */
	struct slice url;       /* that was called, or empty */
	bool final;             /* do not try again */
};

extern const struct db_stmt store_webhook_stmts[];

/*
 * Leases due jobs of several queues, users in turn, in the order of their message ids; of a
 * queue with an open breaker one, when its wait is over; of a queue that is drained those that
 * are not due too. Everything in *ret lives in *ret_rows and the arena; the caller frees *ret_rows.
 */
enum err store_webhook_claim(struct db *db, const struct webhook_claim *claim, struct arena *a,
			     struct webhook_row **ret, size_t *ret_n, struct db_rows **ret_rows,
			     struct fail *fail) MUST_CHECK;
/*
 * Ends jobs whose mail was delivered. Each row is compared with the lease;
 * *ret_n says how many still were ours. An endpoint that had failed is drained from now on. At
 * most WEBHOOK_BATCH_MAX at once.
 */
enum err store_webhook_delivered(struct db *db, const struct webhook_result *v, size_t n,
				 size_t *ret_n, struct fail *fail) MUST_CHECK;
/*
 * Notes failed attempts and sets the time of the next one after
 * schedule[attempts] milliseconds, a fifth more or less by chance; past the
 * schedule, or `final`, the job has failed for good. The breakers of the endpoints are told;
 * EVENT_HTTP_GONE disables one. A failure at a URL that its agent has no more is none of these.
 */
enum err store_webhook_failed(struct db *db, const struct webhook_result *v, size_t n,
			      const struct webhook_patience *p, size_t *ret_n,
			      struct fail *fail) MUST_CHECK;
/* Gives jobs back that were not attempted; they are due after delay_ms. */
enum err store_webhook_release(struct db *db, const struct webhook_result *v, size_t n,
			       int64_t delay_ms, struct fail *fail) MUST_CHECK;
/*
 * Puts jobs into their queues that became due in the last due_ms, at most `limit`: they were stored
 * without a lease, or whoever held it is gone. *ret_n of them; as many as `limit`: there may be
 * more.
 */
enum err store_webhook_find(struct db *db, int64_t due_ms, int64_t limit, size_t *ret_n,
			    struct fail *fail) MUST_CHECK;
/*
 * Gives at most `limit` jobs back to their queues that were handed out before their time under
 * a lease that is over, because whoever held it is gone; *ret_n says how many.
 */
enum err store_webhook_take_back(struct db *db, int64_t limit, size_t *ret_n,
				 struct fail *fail) MUST_CHECK;
/*
 * Ends at most `limit` jobs that are over, for their endpoint has failed for lifetime_ms, or is
 * disabled; *ret_n says how many.
 */
enum err store_webhook_give_up(struct db *db, int64_t lifetime_ms, int64_t limit, size_t *ret_n,
			       struct fail *fail) MUST_CHECK;
/* Notes that these signing secrets were used, at most once a minute each. */
enum err store_webhook_signed(struct db *db, const struct slice *secret_ids, size_t n,
			      struct fail *fail) MUST_CHECK;

#endif
