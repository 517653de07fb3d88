/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints (scheme, host and port of webhook URLs) that have jobs in memory:
 * how many calls are under way to each, and who waits in line.
 */
#ifndef E2A_DELIVERD_ENDPOINT_H
#define E2A_DELIVERD_ENDPOINT_H

#include "deliverd/webhook_job.h"

struct endpoint {
	struct endpoint *next;
	char *origin;
	size_t active, waiting;
	struct webhook_job *head, **tail; /* waiting jobs, first come first served */
};

struct endpoints {
	struct endpoint *head;
	struct endpoint *turn; /* where the search for work goes on */
};

/* The endpoint of a URL; all unreadable URLs share one. */
struct endpoint *endpoint_find(struct endpoints *all, struct slice url);
void endpoint_wait(struct endpoint *e, struct webhook_job *j);
/* The first job in line, which leaves it; NULL when nobody waits. */
struct webhook_job *endpoint_next(struct endpoint *e);
/* The next endpoint with somebody in line and less than `limit` under way, in turn; or NULL. */
struct endpoint *endpoint_ready(struct endpoints *all, size_t limit);
/* Forgets the endpoint when nothing is under way and nobody waits. */
void endpoint_leave(struct endpoints *all, struct endpoint *e);

#endif
