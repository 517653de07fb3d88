/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the LMTP engine: its state, shared by lmtp.c and lmtp_cmd.c. */
#ifndef E2A_DELIVERD_LMTP_PRIVATE_H
#define E2A_DELIVERD_LMTP_PRIVATE_H

#include "deliverd/dot.h"
#include "deliverd/lmtp.h"

enum lmtp_phase {
	LMTP_COMMAND,   /* reading command lines */
	LMTP_LONG_LINE, /* dropping the rest of a line that is too long */
	LMTP_DATA,      /* reading a mail */
	LMTP_COMPLETE,  /* it waits for lmtp_take() and the answers */
	LMTP_QUIT
};

struct lmtp {
	const struct lmtp_limits *limits;
	enum lmtp_phase phase;
	bool greeted;      /* LHLO was seen */
	bool in_mail;      /* MAIL was accepted */
	struct mail *mail; /* XFORWARD values and envelope of the next mail */
	enum dot_state dot;
	enum err refused; /* why the data that comes in is dropped */
	size_t answers;   /* still to be given */
	unsigned errors;
	struct buf line; /* the beginning of a command line */
};

/* Runs one command line, without its CRLF. */
void lmtp_command(struct lmtp *l, struct slice line, struct buf *out);
/* Forgets the mail under way and the XFORWARD values. */
void lmtp_reset(struct lmtp *l);

#endif
