/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an SMTP server answers to one mail that libcurl hands it (RFC 5321 4.2):
 * from bytes to replies, each with the command it answers. libcurl waits for
 * every answer before it goes on, and it goes on at fixed answers, so the order
 * is known: greeting, EHLO, HELO after a refused EHLO, MAIL, one RCPT for each
 * recipient, DATA, and the end of the data.
 */
#ifndef E2A_DELIVERD_SMTP_REPLIES_H
#define E2A_DELIVERD_SMTP_REPLIES_H

#include "common/base/slice.h"

enum smtp_step {
	SMTP_GREETING,
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_END, /* of the data */
	SMTP_OVER /* libcurl asks nothing more for this mail */
};

enum { SMTP_TEXT_MAX = 300, SMTP_ENHANCED_MAX = 9, SMTP_LINE_MAX = 1024 };

struct smtp_reply {
	int code;                             /* 0: none came, or none that can be read */
	char enhanced[SMTP_ENHANCED_MAX + 1]; /* RFC 2034: "5.1.1"; "" when there was none */
	char text[SMTP_TEXT_MAX + 1];         /* without both; UTF-8 in one line, for people */
};

/* Reads "550 5.1.1 text", one line of a reply; code 0 when it starts with no code. */
void smtp_reply_read(struct slice line, struct smtp_reply *ret);

struct smtp_replies {
	enum smtp_step step;     /* what the next reply answers */
	enum smtp_step last;     /* what `reply` answers, once there is one */
	struct smtp_reply reply; /* the last one; of those to RCPT: of a refused one, if any */
	struct smtp_reply *rcpts;
	size_t rcpts_n, rcpts_seen, rcpts_taken;
	/* private */
	char line[SMTP_LINE_MAX]; /* the beginning of the present one */
	size_t line_n;            /* of all of it */
	struct smtp_reply next;
};

/* `rcpts` are n replies of the caller's. The first reply is expected for MAIL. */
void smtp_replies_init(struct smtp_replies *r, struct smtp_reply *rcpts, size_t n);
/* A connection is made: the first reply is the greeting. */
void smtp_replies_connect(struct smtp_replies *r);
/* Takes bytes as they come, lines cut anywhere; what cannot be a reply is passed over. */
void smtp_replies_feed(struct smtp_replies *r, struct slice bytes);

#endif
