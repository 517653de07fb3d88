/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a WebSocket to an agent open and puts what it tells into a queue, in a thread of its own.
 * Whatever ends the connection, it is made again, later each time; only a server that says that
 * the key is not valid, does not reach that far, or that there is no such agent ends it for good.
 * On standard error it says when the connection was lost and when it is back.
 */
#ifndef E2A_CLI_FEED_H
#define E2A_CLI_FEED_H

#include "cli/notices.h"

struct feed_options {
	const char *base_url, *key, *agent;
	int64_t ping_ms;
};

struct feed;

/* ERR_INPUT for a URL or a key that cannot be used. */
enum err feed_start(const struct feed_options *o, struct notices *q, struct feed **ret,
		    struct fail *fail) MUST_CHECK;
/* Closes the connection. Waits for the thread, but not for long: false when it still runs; then
 * nothing may be freed. */
bool feed_stop(struct feed *f);

/* How often the connection was opened. */
unsigned feed_openings(struct feed *f);
/* OK while it goes on, else why it ended. */
enum err feed_state(struct feed *f, struct fail *fail) MUST_CHECK;
/* The queue has room: call it after taking from it. */
void feed_went_on(struct feed *f);

#endif
