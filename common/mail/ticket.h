/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ticket: deliverd's permission for one mail to leave, once. It is the
 * first field of the mail, a text of tags (tags.h) that begins with v=1, and
 * names job and attempt, when it was issued and when it ends, and SHA-256
 * hashes of the envelope and of everything below it (mail_hash.h). Its MAC is
 * the HMAC with the ticket key over
 *     "e2a outbound ticket", "1", job, attempt, issued, expires (decimal),
 *     the hashes of sender, recipients, header fields and body (32 bytes each)
 * each as its length (8 bytes, big-endian) and its bytes. Addresses count byte
 * for byte, the order of recipients does not.
 */
#ifndef E2A_MAIL_TICKET_H
#define E2A_MAIL_TICKET_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define TICKET_HEADER "X-E2A-Ticket"

enum {
	TICKET_LIFETIME_MAX_S = 3600,
	TICKET_CLOCK_S = 1, /* the clocks of two programs may differ by so much */
	TICKET_RECIPIENTS_MAX = 100,
	TICKET_SENDER_MAX = 319,         /* bytes; the milter cuts addresses at ADDR_MAX */
	TICKET_ENVELOPE_MAX = 64 * 1024, /* bytes of their addresses */
	TICKET_JOB_MAX = 64,             /* bytes of the name of a job */
	TICKET_TEXT_MAX = 2048,          /* bytes of a header value */
};

/* One mail: what a ticket permits, or what came with it. */
struct ticket_mail {
	uint8_t sender[32];
	uint8_t recipients[32];
	uint8_t header[32]; /* the fields below the ticket */
	uint8_t body[32];
};

struct ticket {
	struct slice job;
	int64_t attempt;
	int64_t issued_s; /* since 1970 */
	int64_t expires_s;
	struct ticket_mail mail;
	uint8_t mac[32]; /* one of its own for each ticket, whatever the text looks like */
};

/*
 * The hashes of an envelope. Addresses stand without angle brackets. ERR_INPUT
 * for an address that is there twice, ERR_TOO_BIG beyond the limits above.
 */
enum err ticket_envelope(struct slice sender, const struct slice *recipients, size_t n,
			 struct ticket_mail *ret) MUST_CHECK;

struct ticket_request {
	struct slice job; /* letters, digits, '-', '_' and '.' */
	int64_t attempt;
	int64_t now_s;
	int64_t lifetime_s; /* 1 to TICKET_LIFETIME_MAX_S */
	struct slice sender;
	const struct slice *recipients;
	size_t recipients_n;
};

/*
 * Appends the field with its CR LF, folded below 78 columns; `message` is to
 * follow it at once. ERR_INPUT for a request that breaks a limit above, and for
 * a message that would not reach the milter as it is: lines that do not end
 * with CR LF or pass 998 bytes, NUL, something in the header that is no field,
 * a ticket or verdict in it. ERR_TOO_BIG for too many recipients, a header beyond
 * the limits of header.h, or a field that Postfix would cut short. *ret is as it was then.
 */
enum err ticket_make(const struct ticket_request *r, struct slice message, struct slice key,
		     struct buf *ret) MUST_CHECK;

/*
 * Reads the value of a ticket. ERR_INPUT: it is none. ERR_CRYPTO: we did not
 * make it. Slices live in the arena.
 */
enum err ticket_open(struct slice value, struct slice key, struct arena *a,
		     struct ticket *ret) MUST_CHECK;

/*
 * Does it permit this mail now? NULL, or a fixed word that says why not:
 * expired, from_the_future, other_sender, other_recipients, other_header,
 * other_body.
 */
const char *ticket_check(const struct ticket *t, const struct ticket_mail *seen, int64_t now_s);

#endif
