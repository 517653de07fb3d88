/* SPDX-License-Identifier: Apache-2.0 */
/* Usage: events that were written with the messages, and the sums of users and UTC days. */
#ifndef E2A_STORE_STORE_USAGE_H
#define E2A_STORE_STORE_USAGE_H

#include "common/store/db.h"

extern const struct db_stmt store_usage_stmts[];

/*
 * Adds at most `limit` events that are in no sum yet to their sums; each event
 * counts once, whatever dies meanwhile. *ret_n says how many there were.
 */
enum err store_usage_sum(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail) MUST_CHECK;

#endif
