/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a stored mail as UTF-8 without NUL, its plain text or its HTML, step by step:
 * parts that follow each other are joined, each beginning on a line of its own.
 */
#ifndef E2A_APID_BODY_TEXT_H
#define E2A_APID_BODY_TEXT_H

#include "apid/stored_mail.h"
#include "common/mail/mime_decode.h"

enum {
	BODY_TEXT_MAX = 1024 * 1024, /* bytes of a body */
	BODY_TEXT_STEP = 8 * 1024,   /* bytes of mail that are decoded at once */
	/* what one step appends */
	BODY_TEXT_STEP_MAX = MIME_TEXT_GROWTH * BODY_TEXT_STEP + 2 * MIME_TEXT_EXTRA + 1,
};

struct body_text {
	const struct stored_mail *mail;
	const struct mime_tree *tree;
	enum mime_role role;
	bool found; /* there is such a body */
	bool over;  /* there is no more of it ... */
	bool cut;   /* ... that goes out */

	size_t part;            /* the part that is read, or the next one to look at */
	struct mime_text *text; /* of that part while it is read */
	int64_t at;             /* in the mail */
	size_t written;
	bool line_open; /* the text so far does not end with LF */
};

/* Both are borrowed. */
void body_text_init(struct body_text *b, const struct stored_mail *mail,
		    const struct mime_tree *tree, enum mime_role role);
void body_text_release(struct body_text *b);
/* Whether the mail has such a body at all. */
bool body_text_exists(const struct mime_tree *tree, enum mime_role role);
/* Appends the next text, at most BODY_TEXT_STEP_MAX bytes and perhaps none. Not once it is over. */
enum err body_text_step(struct body_text *b, struct db *db, struct buf *out,
			struct fail *fail) MUST_CHECK;

#endif
