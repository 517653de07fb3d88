/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of due webhook jobs, one at a time. */
#ifndef E2A_DELIVERD_CLAIM_H
#define E2A_DELIVERD_CLAIM_H

#include "common/base/settings.h"
#include "deliverd/endpoint.h"

enum { CLAIM_MAX = 200 /* jobs */ };

struct claim_wish {
	int64_t lease_ms; /* from now */
	int64_t jobs, bytes;
	const struct endpoints *endpoints; /* those that are blocked are left out */
};

/*
 * The caller owns the jobs, not the array. n is 0 when it failed; less than was wished for does not
 * mean that there are no more.
 */
typedef void claim_done_fn(struct webhook_job **jobs, size_t n, void *arg);

/*
 * Whose turn was last, of those whose jobs a claim that began behind after_user brought: the next
 * one begins behind them; when nobody had a turn, at the beginning.
 */
void claim_turn(const struct slice *users, size_t n, char after_user[ID_MAX]);

struct claimer;

struct claimer *claimer_new(struct loop *loop, struct db_pool *pool, const struct settings *s,
			    claim_done_fn *done, void *arg);
/* Not while one is under way. */
void claimer_ask(struct claimer *c, const struct claim_wish *wish);
bool claimer_busy(const struct claimer *c);
/* Not while one is under way. */
void claimer_free(struct claimer *c);

#endif
