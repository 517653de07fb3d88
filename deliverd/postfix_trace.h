/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a mail whose injection got no answer: Postfix's queue and log
 * are searched for its envelope sender, which no other mail and no other
 * attempt has. Blocks for up to a minute, and longer for a large log on a slow
 * disk.
 */
#ifndef E2A_DELIVERD_POSTFIX_TRACE_H
#define E2A_DELIVERD_POSTFIX_TRACE_H

#include "common/base/settings.h"
#include "deliverd/postfix_queue.h"

struct postfix_trace_source {
	const char *postqueue;
	const char *log;
	int64_t log_window_bytes;
	int64_t settle_ms; /* after the attempt Postfix may work on the mail for so long */
	const atomic_bool *stop; /* when it is true nobody can tell; or NULL */
};

struct postfix_trace_query {
	struct slice sender; /* by addr_usable() */
	const struct slice *rcpts;
	size_t rcpts_n;
	int64_t begun_us; /* of the attempt, by the clock of the database */
	int64_t ended_us; /* its last byte may have left so late */
};

enum postfix_trace_outcome {
	POSTFIX_TRACE_ACCEPTED,     /* Postfix has, or had, the mail */
	POSTFIX_TRACE_NOT_ACCEPTED, /* it never took it and never will */
	POSTFIX_TRACE_CANNOT_TELL
};

struct postfix_trace_answer {
	enum postfix_trace_outcome outcome;
	char queue_id[POSTFIX_QUEUE_ID_MAX + 1]; /* when accepted; may be "" all the same */
	/*
	 * Not accepted: "refused", or "absent". Cannot tell: "early" (ask again when it
	 * has settled), "queue" or "log" (could not be relied on; fail says why).
	 */
	const char *why;
	struct fail fail;
};

struct postfix_trace_source postfix_trace_source(const struct settings *s);
/*
 * ret_rcpts, when accepted: 250 for those that Postfix took, the reply to those
 * it refused, code 0 where the log does not tell. Otherwise all are 0.
 */
void postfix_trace(const struct postfix_trace_source *source,
		   const struct postfix_trace_query *query, struct smtp_reply *ret_rcpts,
		   struct postfix_trace_answer *ret);

#endif
