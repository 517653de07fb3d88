/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that were claimed together: their rows, their authors and envelope senders, in
 * memory until the last of them has been sent.
 */
#ifndef E2A_DELIVERD_OUTBOUND_BATCH_H
#define E2A_DELIVERD_OUTBOUND_BATCH_H

#include "common/base/ids.h"
#include "deliverd/outbound_author.h"

struct outbound_batch {
	struct arena arena;
	struct db_rows *rows;
	struct outbound_authors *authors;
	struct store_outbound_job *jobs;
	struct outbound_author *author; /* of each job */
	struct slice *verp;             /* of each job */
	size_t n;
	size_t refs;             /* jobs in memory, and whoever holds the batch */
	int64_t bytes, *charged; /* of the drafts, and what they were added to */
	char lease_id[ID_MAX];
	int64_t lease_end_ms; /* clock_mono_ms */
};

struct outbound_batch_config { /* borrowed */
	const struct sender *sender;
	const struct keys *keys;
	struct slice host;
	int64_t lease_ms;
	int64_t limit, max_bytes;
	bool any_size;
	struct slice after_user; /* whose turn it was last */
};

/*
 * Claims up to `limit` jobs and writes down their attempts, in one transaction.
 * *ret has one reference, also when it is empty.
 */
enum err outbound_batch_claim(struct db *db, const struct outbound_batch_config *config,
			      struct outbound_batch **ret, struct fail *fail) MUST_CHECK;
/* Adds the size of its drafts to *used, as long as they are in memory. */
void outbound_batch_charge(struct outbound_batch *b, int64_t *used);
/* Drops one reference. */
void outbound_batch_unref(struct outbound_batch *b);

#endif
