/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails of our own as bytes (RFC 5322, RFC 2045 to 2047), by GMime: 7-bit
 * clean, lines ended by CR LF and folded at 78 where that can be done. One
 * input makes one output, so that a second attempt sends the same mail.
 */
#ifndef E2A_MAIL_COMPOSE_H
#define E2A_MAIL_COMPOSE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

enum {
	COMPOSE_LINE_MAX = 998, /* RFC 5322 2.1.1 */
	COMPOSE_LINE_WANT = 78,
	COMPOSE_SUBJECT_MAX = 2000, /* bytes */
};

/* A field that is empty is left out; `from`, `to` and `message_id` are required. */
struct compose_mail {
	struct slice from; /* addresses as addr_usable() gives them */
	const struct slice *to;
	size_t to_n;
	struct slice reply_to;
	struct slice subject;    /* UTF-8, one line */
	struct slice message_id; /* local@domain, without the angle brackets */
	int64_t date_us;
	bool auto_generated; /* nobody is to be told that he is on holiday (RFC 3834) */
	struct slice text;   /* UTF-8 */
};

/*
 * Appends the mail. ERR_INPUT, with the name of the field in fail->what, for an
 * address that cannot be used, a control character (CR, LF and NUL among them)
 * in a header field, NUL in the text, or text that is not UTF-8. ERR_TOO_BIG
 * when *ret is full.
 */
enum err compose_mail(const struct compose_mail *mail, struct buf *ret,
		      struct fail *fail) MUST_CHECK;

#endif
