/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: which routes have one, counted by whom, and what the refused
 * are told. The windows themselves are in the database, so that they hold over
 * any number of processes.
 */
#ifndef E2A_APID_LIMIT_H
#define E2A_APID_LIMIT_H

#include "common/base/buf.h"
#include "common/base/settings.h"

#include <stdbool.h>

struct req;

enum limit {
	LIMIT_NONE,
	LIMIT_REGISTRATION,         /* by client address, before everything else */
	LIMIT_FEEDBACK,             /* the same */
	LIMIT_SIGN_IN,              /* the same */
	LIMIT_POLL,                 /* by user, after authentication; sessions: the next one */
	LIMIT_PAGES,                /* the same */
	LIMIT_DOMAINS,              /* the same */
	LIMIT_DELEGATIONS,          /* the same */
	LIMIT_DELEGATION_MAILS,     /* by account and address that is mailed to */
	LIMIT_DELEGATION_MAILS_ALL, /* by that address */
	LIMIT_REVIEWERS,            /* by user, after authentication */
	LIMIT_REVIEWER_MAILS,       /* by account and address that is mailed to */
	LIMIT_REVIEWER_MAILS_ALL,   /* by that address */
	LIMIT_SEND,                 /* by agent, at its place among a handler's checks */
	LIMIT_COUNT
};

enum { LIMIT_TEXT_MAX = 128 };

/* True for a limit that is counted by client address. */
bool limit_before_auth(enum limit limit);
/* False when the request was answered: 429 with Retry-After, or 503. */
bool limit_admit(struct req *r, enum limit limit);
/*
 * The same for a limit that a handler counts itself, by a name of its own (any bytes; it is
 * kept as a hash).
 */
bool limit_admit_by(struct req *r, enum limit limit, struct slice name);
/*
 * The same by a name of the caller's instead of the client or user, such as an
 * e-mail address that somebody typed; it may be any bytes and is kept as a
 * hash. Writes no answer. False also when it could not be counted.
 */
bool limit_admit_name(struct req *r, enum limit limit, struct slice name);
/* What a refused request is told; the number is that of the setting. */
void limit_text(enum limit limit, const struct settings *s, struct buf *ret);

#endif
