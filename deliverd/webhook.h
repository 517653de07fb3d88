/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The webhook engine: leased jobs from ingest and from the queue, bounded
 * calls per endpoint, results back into the database.
 */
#ifndef E2A_DELIVERD_WEBHOOK_H
#define E2A_DELIVERD_WEBHOOK_H

#include "deliverd/webhook_job.h"

struct webhook_config { /* borrowed */
	struct loop *loop;
	const struct settings *settings;
	const struct keys *keys;
	struct db_pool *pool;
	struct dns *dns;
	struct budget *budget;
};

struct webhook;

/* ERR_CONFIG for a schedule or range that cannot be read. */
enum err webhook_new(const struct webhook_config *config, struct webhook **ret,
		     struct fail *fail) MUST_CHECK;
/*
 * A lease for the jobs of a mail that is about to be stored, and its length;
 * false while there is enough to do: the jobs are then left due.
 */
bool webhook_lease(struct webhook *w, struct webhook_lease *ret, int64_t *ret_ms);
/* For how long a job is tried at most. */
int64_t webhook_give_up_ms(const struct webhook *w);
/* Takes over the jobs of a mail that were stored under this lease. */
void webhook_stored(struct webhook *w, struct mail *m, const struct ingest *in,
		    const struct webhook_lease *lease);
/* Looks for due jobs now instead of at the next poll. */
void webhook_wake(struct webhook *w);
/* No new calls; those that wait are given back. */
void webhook_drain(struct webhook *w);
/* Ends the calls that are under way. */
void webhook_abort(struct webhook *w);
/* Jobs in memory, and those of them that are being called for. */
size_t webhook_jobs(const struct webhook *w);
size_t webhook_calls(const struct webhook *w);
/* True when no job is in memory and all results are written. */
bool webhook_idle(const struct webhook *w);
void webhook_free(struct webhook *w);
DEFINE_FREEP(struct webhook, webhook_free)

#endif
