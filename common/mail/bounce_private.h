/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of bounces share; for bounce*.c only. */
#ifndef E2A_MAIL_BOUNCE_PRIVATE_H
#define E2A_MAIL_BOUNCE_PRIVATE_H

#include "common/mail/bounce.h"
#include "common/mail/mime_tree.h"

/* A recipient of the attempt in the form of those it is compared with; empty if it is none. */
struct bounce_recipient {
	struct slice folded, local, domain;
	size_t report; /* counted from 1 in out->v; 0: nothing reported yet */
};

struct bounce_reader {
	struct slice mail;
	const struct mime_tree *tree;
	struct bounce_recipient *recipient;
	size_t n;
	struct arena *a; /* of what is returned */
	struct bounce *out;
};

/* The recipient with this address, which may be in another case or form; n when there is none. */
size_t bounce_find(const struct bounce_reader *r, struct slice address, struct arena *scratch);
/*
 * Takes a report, whose texts may be of any kind and are cleaned here, unless there is one
 * of that rank for the recipient.
 */
void bounce_add(struct bounce_reader *r, const struct bounce_report *report);

/* The delivery status parts. True when there was a report in them, be it on somebody else. */
bool bounce_read_reports(struct bounce_reader *r);
/* The text; out->format is set when it is a bounce, be it one that names none of ours. */
void bounce_read_text(struct bounce_reader *r);

#endif
