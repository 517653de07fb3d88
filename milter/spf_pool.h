/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SPF helpers of one milter: started before the first mail, lent to one
 * evaluation at a time, replaced when they died or had to be killed. A helper
 * is this program executed anew, so it shares no memory with the milter.
 */
#ifndef E2A_MILTER_SPF_POOL_H
#define E2A_MILTER_SPF_POOL_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spf_pool;
struct spf_helper;

/* `program` is what to execute with SPF_HELPER_ARG. ERR_INTERNAL when the first helper cannot
 * start. */
enum err spf_pool_new(const char *program, size_t helpers, struct spf_pool **ret,
		      struct fail *fail) MUST_CHECK;
/* Ends the helpers. None may be lent. */
void spf_pool_free(struct spf_pool *p);
/* A living helper of the caller's own; ERR_TIMEOUT when all are busy until the deadline. */
enum err spf_pool_take(struct spf_pool *p, int64_t deadline_ms, struct spf_helper **ret) MUST_CHECK;
/* Returns it; one that is not `usable` (dead, hung, talking nonsense) is killed. */
void spf_pool_give(struct spf_pool *p, struct spf_helper *h, bool usable);
int spf_helper_fd(const struct spf_helper *h);

#endif
