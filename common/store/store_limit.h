/* SPDX-License-Identifier: Apache-2.0 */
/* Sliding windows, exact over any number of daemons (migrations/0006). */
#ifndef E2A_STORE_STORE_LIMIT_H
#define E2A_STORE_STORE_LIMIT_H

#include "common/store/db.h"

extern const struct db_stmt store_limit_stmts[];

/*
 * Admits and counts one more under `name` (UTF-8 without NUL) while fewer than
 * `most` were admitted in the last window_ms. *ret_wait_ms is 0 then; else it is
 * the time until the next one is admitted, and nothing was counted.
 */
enum err store_limit_take(struct db *db, struct slice name, int64_t most, int64_t window_ms,
			  int64_t *ret_wait_ms, struct fail *fail) MUST_CHECK;

#endif
