/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting what has served its time, in batches that hold no lock for long: at
 * most `limit` rows each, and *ret_n says how many there were.
 */
#ifndef E2A_STORE_STORE_RETENTION_H
#define E2A_STORE_STORE_RETENTION_H

#include "common/store/db.h"

extern const struct db_stmt store_retention_stmts[];

/*
 * Messages whose time is over and that have nothing open (no pending webhook
 * job), with the bodies that nobody else needs. *ret_unread of them nobody ever
 * got: neither read nor taken by a webhook. The ledger keeps that they were there.
 */
enum err store_retention_messages(struct db *db, int64_t limit, size_t *ret_n, size_t *ret_unread,
				  struct fail *fail) MUST_CHECK;
/* Bodies older than `age_ms` that no message refers to. */
enum err store_retention_bodies(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				struct fail *fail) MUST_CHECK;
/* Sessions and mailed links that have expired. */
enum err store_retention_sessions(struct db *db, int64_t limit, size_t *ret_n,
				  struct fail *fail) MUST_CHECK;
enum err store_retention_links(struct db *db, int64_t limit, size_t *ret_n,
			       struct fail *fail) MUST_CHECK;
/* Answers to repeated requests, older than `age_ms`. */
enum err store_retention_answers(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				 struct fail *fail) MUST_CHECK;
/* Counters of rate limits, with their times, that nobody used for `age_ms`. */
enum err store_retention_counters(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				  struct fail *fail) MUST_CHECK;
/* Addresses of deleted agents that others may have again. */
enum err store_retention_addresses(struct db *db, int64_t limit, size_t *ret_n,
				   struct fail *fail) MUST_CHECK;

#endif
