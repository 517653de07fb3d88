/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one writer of header fields (RFC 5322 2.2, RFC 2047, RFC 2231): 7-bit,
 * lines ended by CR LF and folded at HEADER_LINE_WANT wherever there is a
 * place for it. Controls are the caller's to refuse; should one come here,
 * it is encoded, or, where text is taken as it is, a bug.
 *
 * Not GMime's: that writes encoded words of any length, folds between blanks
 * that then get lost, and lets through as an encoded word what only looks like one.
 */
#ifndef E2A_MAIL_HEADER_WRITE_H
#define E2A_MAIL_HEADER_WRITE_H

#include "common/base/buf.h"

enum {
	HEADER_LINE_MAX = 998, /* RFC 5322 2.1.1, without CR LF */
	HEADER_LINE_WANT = 78,
};

struct header_writer {
	struct buf *out;
	size_t column; /* bytes of the line so far */
	bool empty;    /* the field has no item yet */
};

/* "Name:"; header_write_end() ends the field. */
void header_write_begin(struct header_writer *w, struct buf *out, struct slice name);
void header_write_end(struct header_writer *w);
/*
 * A blank, or a fold, and then `item` as it is, never folded inside: visible
 * ASCII. The first one stays on the line of the name.
 */
void header_write_item(struct header_writer *w, struct slice item);
/*
 * Unstructured text in UTF-8 that every reader decodes to the same bytes: as it
 * is when it is ASCII that can be folded without a loss and looks like no
 * encoded word, else all of it in encoded words of at most 75 characters, cut between
 * characters.
 */
void header_write_text(struct header_writer *w, struct slice text);
/* A display name in UTF-8: a quoted string, else encoded words. */
void header_write_phrase(struct header_writer *w, struct slice text);
/*
 * `; name="value"`, or when the UTF-8 text needs more than that or a line of
 * its own, percent-encoded by RFC 2231, if need be in numbered sections.
 */
void header_write_param(struct header_writer *w, struct slice name, struct slice value);

#endif
