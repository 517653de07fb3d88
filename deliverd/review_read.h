/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer to the question about a held mail says, and whether it is the reviewer's
 * word. Pure: bytes and verdict in, a decision or the reason for none out.
 */
#ifndef E2A_DELIVERD_REVIEW_READ_H
#define E2A_DELIVERD_REVIEW_READ_H

#include "common/base/arena.h"
#include "common/mail/verdict.h"

enum { REVIEW_WHY_MAX = 800 }; /* bytes of a reason to reject */

/* Words of the ledger; the order is that of review_reason_name(). */
enum review_reason {
	REVIEW_DECIDES, /* it does */
	/* whoever wrote it: */
	REVIEW_NULL_SENDER, /* from <> */
	REVIEW_AUTOMATIC,   /* Auto-Submitted, or a Precedence that says so */
	REVIEW_LIST,        /* it came over a mailing list */
	REVIEW_UNJUDGED,    /* no verdict of the milter for these bytes */
	REVIEW_AGENT,       /* from an agent of ours */
	REVIEW_FROM,        /* not exactly one author */
	REVIEW_OTHER,       /* not the author who was asked */
	REVIEW_TO,          /* not exactly one To field, or not with the address it came to */
	REVIEW_NO_DKIM,     /* no signature passed */
	REVIEW_UNALIGNED,   /* none that did is of the author's domain */
	REVIEW_UNSIGNED,    /* none of these covers From and To */
	REVIEW_DMARC,       /* the domain wants more than that */
	/* the reviewer's word: */
	REVIEW_UNCLEAR, /* the first line says neither approve nor reject */
	REVIEW_REASON_COUNT
};

const char *review_reason_name(enum review_reason r);

struct review_question {
	struct slice address;          /* that it came to, folded */
	struct slice reviewer;         /* who was asked */
	struct slice sender;           /* of the envelope, empty for <> */
	const struct verdict *verdict; /* NULL: there is none to trust */
};

struct review_answer {
	enum review_reason reason;
	bool authentic;   /* the reviewer wrote it, and no program */
	bool approves;    /* of REVIEW_DECIDES; else it rejects */
	struct slice why; /* of a rejection: one line of UTF-8, or empty; in the arena */
};

void review_read(struct slice message, const struct review_question *q, struct arena *a,
		 struct review_answer *ret);

#endif
