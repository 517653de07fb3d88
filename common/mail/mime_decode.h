/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of a part as it was before it was packed for transport (RFC 2045 6), and
 * text of any charset as UTF-8. Fed piece by piece; how it is cut changes
 * nothing. What is broken is passed over: nothing here fails.
 */
#ifndef E2A_MAIL_MIME_DECODE_H
#define E2A_MAIL_MIME_DECODE_H

#include "common/base/buf.h"
#include "common/base/mem.h"

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QUOTED_PRINTABLE };

/* Content-Transfer-Encoding; what is unknown is taken as it is. */
enum mime_encoding mime_encoding_of(struct slice name);

struct mime_decoder;

enum { MIME_DECODER_EXTRA = 8 };

struct mime_decoder *mime_decoder_new(enum mime_encoding encoding);
void mime_decoder_free(struct mime_decoder *d);
DEFINE_FREEP(struct mime_decoder, mime_decoder_free)
/* Appends at most in.n + MIME_DECODER_EXTRA bytes. */
void mime_decoder_feed(struct mime_decoder *d, struct slice in, struct buf *ret);
/* What was kept back at the end of the content: at most MIME_DECODER_EXTRA bytes. */
void mime_decoder_end(struct mime_decoder *d, struct buf *ret);

struct mime_text;

/* One byte of TSCII is up to four characters. */
enum { MIME_TEXT_GROWTH = 12, MIME_TEXT_EXTRA = 1024 };

/*
 * Text of a part. Bytes that make no sense in the declared charset become U+FFFD;
 * where that is none, unknown or UTF-8 they are read as windows-1252.
 */
struct mime_text *mime_text_new(enum mime_encoding encoding, struct slice charset);
void mime_text_free(struct mime_text *t);
DEFINE_FREEP(struct mime_text, mime_text_free)
/*
 * Appends valid UTF-8 without NUL, whole characters, lines ended by LF: at most
 * MIME_TEXT_GROWTH * in.n + MIME_TEXT_EXTRA bytes.
 */
void mime_text_feed(struct mime_text *t, struct slice in, struct buf *ret);
void mime_text_end(struct mime_text *t, struct buf *ret);

#endif
