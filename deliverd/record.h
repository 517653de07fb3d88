/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes down what became of webhook attempts, many in one statement. Results
 * that cannot be written now are kept and written later; the lease decides
 * whether they still count then.
 */
#ifndef E2A_DELIVERD_RECORD_H
#define E2A_DELIVERD_RECORD_H

#include "common/store/store_webhook.h"
#include "deliverd/loop.h"

enum record_kind { RECORD_DELIVERED, RECORD_FAILED, RECORD_RELEASED, RECORD_KINDS };

struct record;

/* `patience` is borrowed. */
struct record *record_new(struct loop *loop, struct db_pool *pool,
			  const struct webhook_patience *patience);
/* Copies *result. */
void record_add(struct record *r, enum record_kind kind, const struct webhook_result *result);
/* True when everything was written. */
bool record_idle(const struct record *r);
/* What is left is dropped; leases end by themselves. No task may be under way. */
void record_free(struct record *r);
DEFINE_FREEP(struct record, record_free)

#endif
