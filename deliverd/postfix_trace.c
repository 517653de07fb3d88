/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two witnesses. One that names the mail is enough to say it was taken; that it
 * was not takes both, and time for Postfix to finish what it had begun. It
 * must never say "not accepted" because something could not be read.
 */
#include "deliverd/postfix_trace.h"

#include "common/base/clock.h"

#include <string.h>

enum { QUEUE_TIMEOUT_MS = 60000 };
#define TAKEN 250

struct postfix_trace_source postfix_trace_source(const struct settings *s)
{
	return (struct postfix_trace_source){ .postqueue = POSTFIX_QUEUE_PROGRAM,
					      .log = s->postfix_log,
					      .log_window_bytes = s->postfix_log_window,
					      .settle_ms = s->inject_settle_ms };
}

static void accepted(const struct postfix_trace_query *q, bool log_tells, struct smtp_reply *rcpts,
		     struct postfix_trace_answer *ret)
{
	ret->outcome = POSTFIX_TRACE_ACCEPTED;
	ret->why = "";
	for (size_t i = 0; i < q->rcpts_n && log_tells; i++)
		if (!rcpts[i].code)
			rcpts[i].code = TAKEN;
}

static void not_accepted(const struct postfix_trace_query *q, const char *why,
			 struct smtp_reply *rcpts, struct postfix_trace_answer *ret)
{
	ret->outcome = POSTFIX_TRACE_NOT_ACCEPTED;
	ret->why = why;
	for (size_t i = 0; i < q->rcpts_n; i++)
		rcpts[i] = (struct smtp_reply){ 0 };
}

static void cannot_tell(const struct postfix_trace_query *q, const char *why,
			const struct fail *fail, struct smtp_reply *rcpts,
			struct postfix_trace_answer *ret)
{
	not_accepted(q, why, rcpts, ret);
	ret->outcome = POSTFIX_TRACE_CANNOT_TELL;
	if (fail)
		ret->fail = *fail;
}

void postfix_trace(const struct postfix_trace_source *source, const struct postfix_trace_query *q,
		   struct smtp_reply *ret_rcpts, struct postfix_trace_answer *ret)
{
	int64_t now_us = clock_now_us();
	const struct postfix_log_query look = { q->sender, q->rcpts, q->rcpts_n, q->begun_us,
						now_us };
	struct fail queue_fail = { 0 }, log_fail = { 0 };
	struct postfix_log_answer log;
	bool queued = false;
	enum err queue, logged;

	*ret = (struct postfix_trace_answer){ 0 };
	/* in this order: a mail that leaves the queue meanwhile is in the log by then */
	queue = postfix_queue_find(source->postqueue, q->sender, QUEUE_TIMEOUT_MS, source->stop,
				   &queued, ret->queue_id, &queue_fail);
	logged = postfix_log_search(source->log, source->log_window_bytes, &look, ret_rcpts, &log,
				    &log_fail);
	if (log.accepted)
		memcpy(ret->queue_id, log.queue_id, sizeof(log.queue_id));
	if (log.accepted || queued)
		accepted(q, logged == OK, ret_rcpts, ret);
	else if (log.refused)
		not_accepted(q, "refused", ret_rcpts, ret);
	else if (queue)
		cannot_tell(q, "queue", &queue_fail, ret_rcpts, ret);
	else if (logged)
		cannot_tell(q, "log", &log_fail, ret_rcpts, ret);
	else if (now_us < q->ended_us + source->settle_ms * 1000)
		cannot_tell(q, "early", NULL, ret_rcpts, ret);
	else
		not_accepted(q, "absent", ret_rcpts, ret);
}
