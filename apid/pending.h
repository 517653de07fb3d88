/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages for the owner of agents whose mail waits: what they share. A browser that is not
 * signed in is sent to do that first and comes back afterwards.
 */
#ifndef E2A_APID_PENDING_H
#define E2A_APID_PENDING_H

#include "apid/draft.h"
#include "apid/held_mail.h"

#define PENDING_PATH "/dashboard/pending"
#define PENDING_REVIEW_PATH PENDING_PATH "/review"

/* What the form to change a mail has in its fields, lines ended by LF. */
struct pending_form {
	struct slice to, cc, bcc; /* an address on each line */
	struct slice subject, text, html;
	bool drop_html;
};

/* What they have before somebody changes anything. */
void pending_form_fill(struct arena *a, const struct held_mail *m, struct pending_form *ret);
/* What was sent; a field that is absent is as it was. */
void pending_form_read(struct req *r, const struct held_mail *m, struct pending_form *ret);
/*
 * The changes. False: *ret_wrong says what is wrong with them. They borrow from the form and
 * live in the arena.
 */
bool pending_form_draft(const struct pending_form *f, const struct held_mail *m, struct arena *a,
			struct draft *ret, const char **ret_wrong);
void pending_form_write(struct buf *out, const struct held_mail *m, const struct pending_form *f,
			bool open);

/* Sends a browser that has signed in back to one of these pages, if that sent it to do so. */
bool pending_next(struct req *r);

#endif
