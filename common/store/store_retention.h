/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting what has served its time, in batches that hold no lock for long. */
#ifndef E2A_STORE_STORE_RETENTION_H
#define E2A_STORE_STORE_RETENTION_H

#include "common/store/db.h"

extern const struct db_stmt store_retention_stmts[];

/*
 * Deletes at most `limit` messages whose time is over and that have nothing
 * open (no pending webhook job), with the bodies that nobody else needs.
 */
enum err store_retention_messages(struct db *db, int64_t limit, size_t *ret_n,
				  struct fail *fail) MUST_CHECK;
/* Deletes at most `limit` bodies older than `age_ms` that no message refers to. */
enum err store_retention_bodies(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				struct fail *fail) MUST_CHECK;

#endif
