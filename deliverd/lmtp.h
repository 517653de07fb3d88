/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LMTP server (RFC 2033) as an engine without sockets: bytes in, replies
 * and mails out. Announces PIPELINING, 8BITMIME, SMTPUTF8, SIZE,
 * ENHANCEDSTATUSCODES and XFORWARD with all attributes.
 */
#ifndef E2A_DELIVERD_LMTP_H
#define E2A_DELIVERD_LMTP_H

#include "common/base/buf.h"
#include "deliverd/mail.h"

enum {
	LMTP_LINE_MAX = 16384,       /* a command line, CRLF included: a HELO as xtext is long */
	LMTP_PATH_MAX = 1024,        /* an address */
	LMTP_XFORWARD_MAX = 512,     /* bytes that are kept of an XFORWARD value, decoded */
	LMTP_XFORWARD_TOTAL = 16384, /* ... all values of one mail, repetitions included */
	LMTP_ERRORS_MAX = 20,        /* refused commands before the connection is closed */
};

struct lmtp_limits {
	const char *host; /* name in the banner */
	size_t message_bytes;
	size_t recipients;
	struct budget *budget;
};

enum lmtp_next {
	LMTP_MORE,  /* everything was read */
	LMTP_MAIL,  /* a mail is complete: lmtp_take(), then one lmtp_answer() per recipient */
	LMTP_CLOSE, /* send the replies and close */
};

struct lmtp;

/* `limits` are borrowed. */
struct lmtp *lmtp_new(const struct lmtp_limits *limits);
void lmtp_free(struct lmtp *l);
DEFINE_FREEP(struct lmtp, lmtp_free)

/* The banner. */
void lmtp_greet(struct lmtp *l, struct buf *out);
/*
 * Reads from *in and appends replies to *out. Stops at LMTP_MAIL and
 * LMTP_CLOSE; then *in holds what was not read. Not to be called between
 * LMTP_MAIL and the last answer.
 */
enum lmtp_next lmtp_feed(struct lmtp *l, struct slice *in, struct buf *out);
/* The complete mail; the caller owns it. */
struct mail *lmtp_take(struct lmtp *l);
/*
 * The reply for the next recipient, in the order of the mail's. `text` replaces the
 * public text of the code unless empty.
 */
void lmtp_answer(struct lmtp *l, enum err code, struct slice text, struct buf *out);
/* True while nothing has begun that a close would cut off. */
bool lmtp_idle(const struct lmtp *l);
/* 421 with this text ("4.3.2 shutting down"). */
void lmtp_goodbye(struct lmtp *l, const char *text, struct buf *out);

#endif
