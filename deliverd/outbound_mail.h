/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt: from a job to a composed, signed mail with its ticket, and into
 * Postfix. Blocks; one thread has an attempt at a time.
 */
#ifndef E2A_DELIVERD_OUTBOUND_MAIL_H
#define E2A_DELIVERD_OUTBOUND_MAIL_H

#include "deliverd/inject.h"
#include "deliverd/outbound_batch.h"

struct outbound_attempt {
	struct outbound_batch *batch;
	size_t i; /* job of the batch */
	int64_t begun_us;
	struct buf bytes;  /* composed by outbound_mail_compose() */
	struct slice mail; /* in them, or in the batch; empty until it is composed */
	int64_t charged;   /* to the batch's budget, beside the batch */
	/* how it ended */
	struct store_outbound_result result;
	struct store_outbound_rcpt *rcpts;
	size_t rcpts_n;
	bool asked; /* Postfix; then this is its answer: */
	struct inject_answer answer;
	struct slice queue_id;
	struct fail fail; /* of our own, for the log */
	struct arena arena;
};

struct outbound_tools { /* borrowed, shared by all threads */
	const struct dkim_signer *signer;
	const struct dkim_signer *lasting_signer; /* of mail that is signed once */
	struct slice ticket_key;
};

/* Drops its batch too. On the loop's thread. */
void outbound_attempt_free(struct outbound_attempt *at);
/*
 * Makes the attempt with this thread's injector; fills the lower half of *at. The mail of
 * a job that was held is composed before: see outbound_approved.h.
 */
void outbound_mail_send(const struct outbound_tools *tools, struct injector *in,
			struct outbound_attempt *at);
/*
 * What an answer of Postfix makes of the job: pure. `attempts` were made, this one
 * included.
 */
void outbound_mail_judge(const struct store_outbound_job *job, const struct inject_answer *answer,
			 const struct smtp_reply *replies, struct outbound_attempt *at);
/* Fills bytes and mail; false: it could not, and that is the end of the attempt. */
bool outbound_mail_compose(const struct outbound_tools *tools, struct outbound_attempt *at);
/* Another end, without Postfix: all recipients stay as they are, or fail with it. */
void outbound_mail_end(struct outbound_attempt *at, enum store_outbound_outcome outcome,
		       enum event_reason reason, int64_t wait_ms);
/* The same: tried again, after a wait as after any other attempt. */
void outbound_mail_later(struct outbound_attempt *at, enum event_reason reason);

#endif
