/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for mail: long polls and event streams. One that waits has no thread and
 * no database connection, only its suspended connection. New mail makes those of its agent go
 * on, whichever e2a-apid they are at; what a lost notification missed is found by a poll.
 */
#ifndef E2A_APID_WAITS_H
#define E2A_APID_WAITS_H

#include "apid/apid_metrics.h"
#include "apid/app.h"
#include "common/store/store_agent.h"

#include <stdbool.h>

struct conn;
struct waits;

enum waits_why {
	WAITS_MAIL, /* there may be new mail, or no longer a right to it */
	WAITS_TIME, /* until_ms has come */
	WAITS_END,  /* the client has gone, or e2a-apid stops */
};

enum waits_parked { WAITS_PARKED, WAITS_AGAIN, WAITS_OVER };

enum { WAITS_TOLD = 16 }; /* messages that are remembered */

/* One that may wait. Its owner fills kind, go_on, arg and until_ms. */
struct wait {
	enum apid_waiter kind;
	bool unseen; /* nobody has to know that there is a listener: it is a page of ours */
	void (*go_on)(struct wait *w, enum waits_why why); /* on any thread; must not wait */
	void *arg;
	int64_t until_ms; /* of clock_mono_ms() */
	bool over;        /* for a source of resp.h: there will be nothing any more */
	/* private */
	struct waits *waits; /* NULL: has not entered */
	struct wait *next, *due;
	struct slice user_id, address, email;
	const struct conn *conn; /* while it is parked */
	uint64_t told[WAITS_TOLD];
	size_t told_n; /* ever */
	enum waits_why why;
	bool parked, wanted;
};

struct waits *waits_new(const struct app *app);
/* After the workers have ended. */
void waits_free(struct waits *all);
/*
 * Takes a place, to be done before it looks for mail, so that none is missed. The texts are
 * borrowed. False when the agent, the user, or all together have as many as they may.
 */
bool waits_enter(struct waits *all, struct wait *w, struct slice user_id,
		 const struct store_agent *agent);
/* Gives the place back, also one that was never taken. Not while it is parked. */
void waits_leave(struct wait *w);
/* It was told of this message: the poll need not wake it for that. */
void waits_tell(struct wait *w, struct slice message_id);
/*
 * Parked: go_on is called once, perhaps before this returns; `conn` must live until then. Again:
 * there was a notification since it entered or was parked last. Over: e2a-apid stops.
 */
enum waits_parked waits_park(struct wait *w, const struct conn *conn);
/* These agents (addresses separated by spaces, or "*") may have new mail. Thread-safe. */
void waits_wake(struct waits *all, struct slice agents);
/* Keys or agents of this user, or "*" of anybody, may have changed. The same. */
void waits_suspect(struct waits *all, struct slice user_id);
/* About once a second, on the thread of conns_sweep(). */
void waits_tick(struct waits *all, int64_t now_ms);
/* All go on, and nobody waits from now on. */
void waits_stop(struct waits *all);
/* The database answered one that waits, or failed: one line of the log for all of them. */
void waits_note_storage(struct waits *all, const struct fail *fail);

#endif
