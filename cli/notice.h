/* SPDX-License-Identifier: Apache-2.0 */
/* That a mail has come: what a WebSocket tells of it, or a list. */
#ifndef E2A_CLI_NOTICE_H
#define E2A_CLI_NOTICE_H

#include "cli/doc.h"

enum {
	NOTICE_ID_MAX = 256,   /* bytes; a longer one is none */
	NOTICE_TEXT_MAX = 1000 /* of each other text; longer ones are cut */
};

struct notice {
	struct notice *next; /* of whoever holds it */
	const char *id, *from, *subject,
		*time; /* the server's words; RFC 3339 if it keeps to that */
	bool aside;    /* it could not be fetched while others could: they go first */
};

/* Of a frame or of an element of a list; NULL when it has no id. */
struct notice *notice_read(const struct doc *d);
void notice_free(struct notice *n);
DEFINE_FREEP(struct notice, notice_free)

#endif
