/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket tells what is unread. Mail that came while there was no connection and that
 * somebody else has marked read is only in the list. This walks the list of all mail by the
 * cursors of `wait=0`, behind which each mail comes once: from its end at the start, so that
 * older mail is not told; again after each new connection; and now and then, so that a walk
 * stays short. A server that knows no cursors has no catch-up.
 */
#ifndef E2A_CLI_CATCHUP_H
#define E2A_CLI_CATCHUP_H

#include "cli/api.h"
#include "cli/backoff.h"
#include "cli/notice.h"

enum {
	CATCHUP_EVERY = 200,        /* notices */
	CATCHUP_PACE_MS = 3 * 1000, /* between walks: they use up what others may ask for */
};

enum catchup_stage {
	CATCHUP_BEGIN, /* not known yet where the list ends */
	CATCHUP_PRIME, /* on the way to its end */
	CATCHUP_FOLLOW,
	CATCHUP_OFF
};

struct catchup {
	struct api *api;
	const char *agent;
	enum catchup_stage stage;
	char *since, *cursor; /* NULL: none */
	int64_t due_ms;       /* CLOCK_MONOTONIC; INT64_MAX: nothing to do */
	int64_t earliest_ms;  /* the next walk */
	unsigned openings;    /* of the connection that the last walk was made for */
	size_t notices;       /* since the last walk */
	struct backoff backoff;
	/* Called with each mail that a walk comes across; takes it over. */
	void (*found)(void *arg, struct notice *n);
	void *arg;
};

void catchup_init(struct catchup *c, struct api *api, const char *agent,
		  void (*found)(void *arg, struct notice *n), void *arg);
void catchup_release(struct catchup *c);
/* The connection was opened so often; so many notices were dealt with since the last call. */
void catchup_note(struct catchup *c, unsigned openings, size_t notices);
/* When catchup_step() has something to do. */
int64_t catchup_due_ms(const struct catchup *c);
/* One request. What fails is tried again; a key that is not valid any more is for others to tell.
 */
void catchup_step(struct catchup *c);

#endif
