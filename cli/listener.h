/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `e2a listen` does with the mail it is told of, and how it waits: for mail, for a server
 * that is away or busy, for a signal that ends it, for a reader of its output that goes away.
 */
#ifndef E2A_CLI_LISTENER_H
#define E2A_CLI_LISTENER_H

#include "cli/backoff.h"
#include "cli/cli.h"
#include "cli/notices.h"

struct listener {
	struct cli *cli;
	struct api *api;
	const char *agent;
	bool json;
	struct notices *queue;
	struct backoff backoff;
	bool failing; /* a fetch failed, which was said */
	/* --forward: */
	struct api *forward_api; /* with time-outs of its own; NULL: no --forward */
	const char *url, *token, *model;
	bool responses; /* the URL is that of a Responses API */
};

/* The first SIGINT or SIGTERM ends the waiting, the second one the program. */
void listener_catch_signals(struct listener *l);
void listener_leave_signals(void);
/* It was asked to end, or nobody reads its output any more. */
bool listener_over(struct listener *l);
/* Waits until then (CLOCK_MONOTONIC); returns early when something was told or it is over. */
void listener_wait(struct listener *l, int64_t until_ms);
/* Waits so long, whatever is told; false when it is over. */
bool listener_pause(struct listener *l, int64_t ms);

/*
 * Prints, fetches and forwards one. With n->aside it is not done: it belongs behind the others.
 * What is returned ends the command.
 */
enum err listener_handle(struct listener *l, struct notice *n, struct fail *fail) MUST_CHECK;

/* In forward.c: POSTs the message, `json` as the server gave it, and says what came of it. */
void listener_forward(struct listener *l, const struct notice *n, const struct doc *message,
		      struct slice json);

#endif
