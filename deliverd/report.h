/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail to an envelope sender of ours: what becomes of mail that has left. It goes to no
 * agent; it is read, and what it says of recipients is written down.
 */
#ifndef E2A_DELIVERD_REPORT_H
#define E2A_DELIVERD_REPORT_H

#include "common/mail/bounce.h"
#include "common/store/db.h"
#include "deliverd/mail.h"

struct report {
	struct slice verp; /* empty: the mail is no report */
	struct slice message_id;
	enum bounce_format format;
	const char *reason; /* why it says nothing, or NULL */
	size_t told, moved; /* recipients that it is about, and whose status it changed */
	enum err code;      /* OK, ERR_NOT_FOUND, or why it could not be written down */
	struct fail fail;
};

/* True when it is: then *ret has the address. */
bool report_is(struct mail *m, struct report *ret);
/* Blocks. Slices of *ret live in m->arena. */
void report_store(struct mail *m, struct db *db, struct report *ret);

#endif
