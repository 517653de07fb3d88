/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail as it came, made readable: all from its bytes, because not every e2a hands out more.
 * The bytes are a stranger's; nothing here fails, and what is broken costs what is broken.
 */
#ifndef E2A_CLI_MAIL_H
#define E2A_CLI_MAIL_H

#include "common/mail/mime_tree.h"

enum {
	MAIL_FIELD_MAX = 64 * 1024,        /* bytes of one header line */
	MAIL_TEXT_MAX = 128 * 1024 * 1024, /* a ceiling for mail_text() that no honest mail meets */
};

struct mail {
	struct slice raw;
	struct mime_tree tree; /* `limited` says that there are more parts than these */
	/* UTF-8 on one line without ASCII controls; addresses as `name <address>, ...`. Empty:
	 * absent. */
	struct slice from, to, cc, reply_to, subject, date, message_id;
	bool has_date; /* `date` could be read, and is this: */
	int64_t date_us;
};

/* `raw` is borrowed, everything else in the arena. For one thread. */
void mail_read(struct slice raw, struct arena *a, struct mail *ret);

/* One value of a header field, as a server may hand it out, in the same form. */
struct slice mail_field_text(struct slice value, struct arena *a);

/*
 * Appends the text that a person reads, UTF-8 without NUL, lines ended by LF: the plain text, and
 * where a part of the body exists as HTML alone, what that says. False when not all of it fitted
 * below the ceiling of *ret; it is cut at a character then.
 */
bool mail_text(const struct mail *m, struct buf *ret);
/* The same of the HTML as it is; nothing when there is none. */
bool mail_html(const struct mail *m, struct buf *ret);
/* True when the mail has text of this role. */
bool mail_has(const struct mail *m, enum mime_role role);

/* How many attachments there are: leaves of the role MIME_ATTACHMENT. */
size_t mail_files(const struct mail *m);

/* Takes decoded bytes. What it returns ends the reading unless it is OK. */
typedef enum err mail_sink_fn(void *arg, struct slice bytes);
/* Hands out the content of a part, decoded, piece by piece. */
enum err mail_part_each(const struct mail *m, const struct mime_part *p, mail_sink_fn *sink,
			void *arg) MUST_CHECK;

#endif
