/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is called next. Jobs in memory stand in line for their endpoint, the webhook of one
 * agent. Users take turns, and so do the endpoints of each; no endpoint, user or host (scheme,
 * name and port, whoever it is for) has more calls under way than its cap.
 *
 * Half of every cap is for endpoints that are quick: nothing is under way to them, or the last
 * call went well and none has lasted for a second. One that hangs gets no further there, nor do
 * its jobs stay in memory for it: they are sorted out, to be given back.
 */
#ifndef E2A_DELIVERD_ENDPOINT_H
#define E2A_DELIVERD_ENDPOINT_H

#include "deliverd/webhook_job.h"

struct endpoint_caps {
	size_t all, per_user, per_host, per_endpoint; /* calls under way */
	size_t waiting;  /* jobs in all lines, beyond which it is tight */
	size_t failures; /* in a row, after which nobody stands in line any more */
};

/* How a call ended. */
enum call_end {
	CALL_DELIVERED,
	CALL_FAILED,
	CALL_GONE, /* the endpoint wants no more calls */
	CALL_NOT_MADE
};

struct endpoints;

struct endpoints *endpoints_new(const struct endpoint_caps *caps);
/* Nothing may wait or be under way. */
void endpoints_free(struct endpoints *all);
DEFINE_FREEP(struct endpoints, endpoints_free)

/*
 * Puts a job (url, agent_email, message_id, row.user_id) into its line, behind those with a smaller
 * message id. False when it may not stand there; then its agent is one of endpoints_blocked(), if
 * there is another job of it. Times are clock_mono_ms().
 */
bool endpoints_add(struct endpoints *all, struct webhook_job *j, int64_t now_ms);
/* The next job, which is under way (j->started_ms) from now on; NULL when nobody may be called. */
struct webhook_job *endpoints_start(struct endpoints *all, int64_t now_ms);
/*
 * A job that is under way is ready to be posted. *ret gets (by `turn`) those whose turn it is
 * now: calls of an endpoint are made in the order in which they were started.
 */
void endpoint_prepared(struct webhook_job *j, struct webhook_jobs *ret);
/* The call of a job, or what should have become one, is over. Forgets j->endpoint. */
void endpoints_end(struct endpoints *all, struct webhook_job *j, enum call_end how);
/* To be called now and then: sorts out what waits for calls that have become slow. */
void endpoints_look(struct endpoints *all, int64_t now_ms);
/* A job that was sorted out of its line; NULL when there is none. */
struct webhook_job *endpoints_sorted_out(struct endpoints *all);
/* Sorts out all that wait. */
void endpoints_clear(struct endpoints *all);

size_t endpoints_waiting(const struct endpoints *all);
size_t endpoints_active(const struct endpoints *all);
/* Did an endpoint stop being one of endpoints_blocked() since this was asked the last time? */
bool endpoints_unblocked(struct endpoints *all);
/* Agents whose jobs could not stand in line now; copies in the arena. */
void endpoints_blocked(const struct endpoints *all, struct arena *a, struct slice **ret,
		       size_t *ret_n);

#endif
