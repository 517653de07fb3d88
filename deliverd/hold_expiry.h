/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends holds whose time is over, as their agent wants it: the mail is sent, or it is not.
 * At the start and every hold_expiry_interval; in any number of daemons at once.
 */
#ifndef E2A_DELIVERD_HOLD_EXPIRY_H
#define E2A_DELIVERD_HOLD_EXPIRY_H

#include "deliverd/loop.h"
#include "deliverd/outbound.h"

struct hold_expiry;

/* All borrowed. `outbound` is woken when there is something to send. */
struct hold_expiry *hold_expiry_new(struct loop *loop, const struct settings *s,
				    struct db_pool *pool, struct outbound *outbound);
/* Starts nothing more; what is under way is a task of the loop's. */
void hold_expiry_stop(struct hold_expiry *h);
void hold_expiry_free(struct hold_expiry *h);

#endif
