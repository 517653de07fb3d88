/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A header value that one of our programs writes and another one reads:
 *     <tag>=<percent-encoded value>; ... ; s=<base64url HMAC-SHA-256>
 * folded between tags. White space counts nowhere (values hold none), so
 * refolding breaks nothing. Names and order of the tags, and what the seal
 * covers, are the user's.
 */
#ifndef E2A_MAIL_TAGS_H
#define E2A_MAIL_TAGS_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

enum tag_type {
	TAG_TEXT,   /* struct slice */
	TAG_INT,    /* int64_t */
	TAG_BOOL,   /* bool */
	TAG_WORD,   /* an enum, written as words[value] */
	TAG_DIGEST, /* uint8_t[32] */
};

struct tag {
	const char *name;
	enum tag_type type;
	size_t offset; /* of the field in the struct that is written or filled */
	const char *const *words;
	unsigned words_n;
};

/* Appends "name=value;" for each row of the table. */
void tags_add(const struct tag *table, size_t n, const void *from, struct buf *ret);
/* Cuts the same off the front of *text: exactly these, in this order; else ERR_INPUT. */
enum err tags_read(const struct tag *table, size_t n, struct slice *text, struct arena *a,
		   void *ret) MUST_CHECK;

/* Appends a value, everything that is not plain as %XX. */
void tags_add_encoded(struct slice value, struct buf *ret);
enum err tags_decode(struct slice s, struct arena *a, struct slice *ret) MUST_CHECK;
enum err tags_read_bool(struct slice s, bool *ret) MUST_CHECK;

/*
 * Appends the value of the field `header`: `text` (whole tags, each with its
 * ';') and the seal, with "\n\t" in front of each tag that would pass the
 * margin.
 */
void tags_write(const char *header, struct slice text, const uint8_t seal[32], struct buf *ret);
/*
 * Takes a value apart: *ret_text is what tags_write() was given, *ret_seal what
 * stands behind its "s=". ERR_INPUT when it is nothing of the kind. In the
 * arena.
 */
enum err tags_split(struct slice value, struct arena *a, struct slice *ret_text,
		    struct slice *ret_seal) MUST_CHECK;
/* Compares in constant time. */
bool tags_seal_is(struct slice seal, const uint8_t want[32]);

#endif
