/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the queues are worked on: what a probe may ask every second. */
#ifndef E2A_STORE_STORE_READY_H
#define E2A_STORE_STORE_READY_H

#include "common/store/db.h"

extern const struct db_stmt store_ready_stmts[];

enum { STORE_READY_PENDING_MAX = 1000 };

/* Webhook calls and mails that are due and that nobody works on. */
struct store_backlog {
	int64_t pending;  /* at most STORE_READY_PENDING_MAX of each kind are counted */
	int64_t oldest_s; /* since the oldest one was due; 0 when there is none */
};

enum err store_ready_backlog(struct db *db, struct store_backlog *ret,
			     struct fail *fail) MUST_CHECK;

#endif
