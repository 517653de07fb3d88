/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces: what a mail that came back to an envelope sender of ours says about the
 * recipients of that attempt. Read are delivery status notifications (RFC 3464, RFC 6533)
 * and the plain texts of qmail, Exim and other mail systems that do not write any.
 *
 * Anybody who got the mail knows the address that bounces go to. So nothing is reported about
 * an address that was not a recipient of the attempt, and nothing here proves anything: a
 * report is what somebody says.
 */
#ifndef E2A_MAIL_BOUNCE_H
#define E2A_MAIL_BOUNCE_H

#include "common/base/arena.h"
#include "common/base/slice.h"

enum {
	BOUNCE_GROUPS_MAX = 1000,             /* recipients read of the reports of one mail */
	BOUNCE_REPORT_BYTES_MAX = 256 * 1024, /* of the reports */
	BOUNCE_TEXT_BYTES_MAX = 64 * 1024,    /* of a text */
	BOUNCE_DIAGNOSTIC_MAX = 500,          /* bytes of an answer's diagnostic */
	BOUNCE_REMOTE_MTA_MAX = 255,
};

/* A later one outranks those before it. */
enum bounce_kind {
	BOUNCE_DELAYED,   /* not yet delivered, still tried */
	BOUNCE_DELIVERED, /* delivered, relayed or expanded: a mail system that reports no more has
			     it */
	BOUNCE_FAILED,
};

enum bounce_format {
	BOUNCE_NONE,  /* it reports nothing */
	BOUNCE_DSN,   /* a message/delivery-status or message/global-delivery-status part */
	BOUNCE_QMAIL, /* QSBMF */
	BOUNCE_EXIM,  /* X-Failed-Recipients and a text */
	BOUNCE_TEXT,  /* a mail system's text that names a recipient and a code */
};

struct bounce_report {
	size_t recipient; /* index into the recipients that were passed */
	enum bounce_kind kind;
	struct slice status;     /* RFC 3463, "5.1.1"; always there */
	bool inferred;           /* nobody gave this status: it is what the answer means */
	struct slice diagnostic; /* UTF-8, one line; may be empty */
	struct slice remote_mta; /* the same */
	int64_t retry_until_us;  /* of a delay; 0: not said */
};

struct bounce {
	enum bounce_format format;
	struct bounce_report *v; /* one for each recipient that is reported on */
	size_t n;
	size_t ignored;     /* reports on addresses that are not among the recipients */
	bool limited;       /* a limit above was passed: something was not read */
	const char *reason; /* when n is 0, a fixed word: why nothing is reported */
};

/*
 * Never fails. `recipients`: those of the attempt, as addr_usable() gives them. Everything
 * returned is in the arena. Needs mime_init().
 *
 * Reasons: other_recipient (all reports are about others), no_status (a delivery status
 * without any), unreadable (a mail system's text that says nothing about ours), read_receipt
 * (RFC 8098), complaint (RFC 5965), auto_reply (vacation and the like), not_a_bounce.
 */
void bounce_read(struct slice mail, const struct slice *recipients, size_t n, struct arena *a,
		 struct bounce *ret);

/*
 * True for a status that tells of an address that will not work later either: 5.0.x, 5.1.x,
 * 5.2.0, 5.2.1. Not for 5.1.7 and 5.1.8, which are about the sender's address.
 */
bool bounce_suppresses(struct slice status);
/* The word for logs and the ledger. */
const char *bounce_kind_name(enum bounce_kind kind);
const char *bounce_format_name(enum bounce_format format);

#endif
