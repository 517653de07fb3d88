/* SPDX-License-Identifier: Apache-2.0 */
/* One leased webhook job in memory, from lease to result. */
#ifndef E2A_DELIVERD_WEBHOOK_JOB_H
#define E2A_DELIVERD_WEBHOOK_JOB_H

#include "common/base/ids.h"
#include "deliverd/ingest.h"
#include "deliverd/loop.h"
#include "deliverd/webhook_body.h"
#include "deliverd/webhook_target.h"

#include <sys/queue.h>

TAILQ_HEAD(webhook_jobs, webhook_job);

struct webhook_job {
	struct arena arena;
	struct slice message_id; /* these four in the arena, they outlive the row */
	struct slice agent_email;
	struct slice lease_id;
	const char *url;
	struct webhook_row row; /* until webhook_job_drop_row() */
	struct mail *mail;      /* that the row points into, or NULL */
	char *raw;              /* the row's own copy of the bytes, or NULL */
	int64_t lease_end_ms;   /* clock_mono_ms */
	int64_t accepted_us;    /* when the mail was; 0: it was not just now */
	struct budget *budget;
	size_t charged;
	/* the attempt */
	struct task task;
	struct webhook_target target;
	struct webhook_request request;
	struct slice secret_id;
	enum event_reason reason;
	int64_t started_ms; /* 0: no call yet */
	bool prepared, posted;
	/* for those who hold it */
	struct webhook *owner;
	struct endpoint *endpoint;
	TAILQ_ENTRY(webhook_job) link; /* of a line, or of the calls under way */
	TAILQ_ENTRY(webhook_job) turn; /* of those that are not posted yet */
};

struct webhook_lease {
	char id[ID_MAX];
	int64_t end_ms; /* clock_mono_ms, reckoned from before the lease was asked for */
};

/* A lease of so many milliseconds from now on. */
void webhook_lease_new(int64_t ms, struct webhook_lease *ret);
/* A job for recipient r of a mail that was just stored; shares the mail. */
struct webhook_job *webhook_job_of_mail(struct mail *m, const struct ingest *in,
					const struct ingest_rcpt *r,
					const struct webhook_lease *lease);
/* A job that was claimed; copies the row. On any thread. */
struct webhook_job *webhook_job_of_row(const struct webhook_row *row,
				       const struct webhook_lease *lease);
/* Bytes that the job takes beside a shared mail. */
size_t webhook_job_cost(const struct webhook_job *j);
/* False when the budget is used up. On the loop's thread, once. */
bool webhook_job_charge(struct webhook_job *j, struct budget *budget);
/* Lets go of the mail once the request is built. */
void webhook_job_drop_row(struct webhook_job *j);
void webhook_job_free(struct webhook_job *j);
DEFINE_FREEP(struct webhook_job, webhook_job_free)

#endif
