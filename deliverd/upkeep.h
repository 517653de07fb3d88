/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the webhook queues need now and then: jobs that no queue tells of are found, and those
 * that are over, or whose endpoint is disabled, are ended.
 */
#ifndef E2A_DELIVERD_UPKEEP_H
#define E2A_DELIVERD_UPKEEP_H

#include "common/store/db.h"
#include "deliverd/loop.h"

struct upkeep_config { /* borrowed */
	struct loop *loop;
	struct db_pool *pool;
	int64_t give_up_ms;       /* for how long a job is tried */
	void (*found)(void *arg); /* a queue has jobs that are due */
	void *arg;
};

struct upkeep;

/* It begins at once, with a search through all jobs. */
struct upkeep *upkeep_new(const struct upkeep_config *config);
/* A job was left to be found: no need to wait for the next round. */
void upkeep_soon(struct upkeep *u);
void upkeep_stop(struct upkeep *u);
/* No task may be under way. */
void upkeep_free(struct upkeep *u);
DEFINE_FREEP(struct upkeep, upkeep_free)

#endif
