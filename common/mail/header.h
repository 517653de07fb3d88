/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header section of a message (RFC 5322 2.2), read with tolerance: a line
 * that is no field is skipped and marked, never a reason to lose mail. The one
 * parser that verdict, storage and events use. Fields are slices into the
 * message; nothing is altered.
 */
#ifndef E2A_MAIL_HEADER_H
#define E2A_MAIL_HEADER_H

#include "common/base/arena.h"
#include "common/base/slice.h"

#define AUTHRES_HEADER "Authentication-Results"

enum {
	HEADER_FIELDS_MAX = 1000,      /* fields kept; more set `limited` */
	HEADER_BYTES_MAX = 256 * 1024, /* bytes read; more set `limited` */
	/* Where Postfix cuts a field short before any milter sees it, at a line end when
	 * there is one, however large header_size_limit is. */
	HEADER_CUT = 60000,
	HEADER_CUT_SLACK = 1000,
};

struct header_field {
	struct slice name;  /* without the white space before the colon */
	struct slice value; /* everything behind the colon, folds included, without the last CRLF */
	struct slice raw;   /* the whole field with its last line end */
	bool odd;           /* white space before the colon, NUL, bare CR or an 8-bit name: two
			     * readers may disagree on what the header says */
};

struct header {
	struct header_field *v;
	size_t n;
	size_t body;  /* offset of the body in the message (== length when there is none) */
	size_t bad;   /* lines that were no field: mbox From, no colon, white space first */
	bool limited; /* a limit above was passed: fields may be missing */
};

/*
 * Never fails; the arrays live in the arena, the slices in `message`. A line
 * ends with LF or CR LF; the header section ends at the first empty one.
 */
void header_parse(struct slice message, struct arena *a, struct header *ret);
/* The first field of that name (case-insensitive), or NULL. */
const struct header_field *header_first(const struct header *h, struct slice name);
size_t header_count(const struct header *h, struct slice name);
/*
 * The value on one line: each fold, with the white space around it, becomes
 * one space; trimmed. In the arena.
 */
struct slice header_unfold(struct arena *a, struct slice value);
/* Message-IDs "<...>" in a References or In-Reply-To value, at most `max`; comments skipped. */
size_t header_msgids(struct slice value, struct slice *ret, size_t max);

/* The length of the comment (RFC 5322 3.2.2) that s begins with; one that is open takes all. */
size_t header_comment_len(struct slice s);

/*
 * True for names of the private name space: X-E2A- in any case, and every
 * spelling that some program between here and an agent could take for it:
 * anything but ASCII letters and digits counts as the '-'.
 */
bool header_is_private(struct slice name);
/*
 * True when an Authentication-Results value (RFC 8601 2.2) carries this
 * authserv-id: comments and folds dropped, case folded, trailing dot and
 * U-label form normalised, quoted strings unquoted. True also for an encoded
 * word in its place, which no honest server writes, and when it takes only
 * leaving out control characters or 8-bit bytes to find the id.
 */
bool header_has_authserv_id(struct slice value, struct slice authserv_id);
/* True for a field that only we may write: one of the two above. */
bool header_is_forgery(const struct header_field *f, struct slice authserv_id);

#endif
