/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was told and not yet dealt with: a bounded queue from the thread of the WebSocket to
 * that of the command, which lets each message through once. Adding wakes whoever polls
 * notices_fd().
 */
#ifndef E2A_CLI_NOTICES_H
#define E2A_CLI_NOTICES_H

#include "cli/notice.h"

enum {
	NOTICES_FULL = 10000,              /* then the sender should pause */
	NOTICES_MAX = NOTICES_FULL + 2000, /* what was under way meanwhile; more is not taken */
	NOTICES_ROOM = NOTICES_FULL / 2    /* and go on */
};

enum notices_add { NOTICE_ADDED, NOTICE_KNOWN, NOTICE_REFUSED };

struct notices;

struct notices *notices_new(void);
void notices_free(struct notices *q);
DEFINE_FREEP(struct notices, notices_free)

/* Takes the notice over. A refused one counts as never told: it has to come again. */
enum notices_add notices_add(struct notices *q, struct notice *n);
/* False when it was told before. */
bool notices_claim(struct notices *q, const struct notice *n);
/* Takes back what notices_take() gave, behind all others. */
void notices_put_back(struct notices *q, struct notice *n);
/* The next one, the caller's then; NULL when there is none. */
struct notice *notices_take(struct notices *q);
size_t notices_count(struct notices *q);

/* Readable when something was added or notices_wake() called; notices_rest() makes it quiet. */
int notices_fd(const struct notices *q);
void notices_wake(const struct notices *q); /* also from a signal handler */
void notices_rest(const struct notices *q);

#endif
