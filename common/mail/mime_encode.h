/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content packed for transport (RFC 2045 6): 7-bit, lines ended by CR LF. The other
 * direction is mime_decode.h.
 */
#ifndef E2A_MAIL_MIME_ENCODE_H
#define E2A_MAIL_MIME_ENCODE_H

#include "common/mail/mime_decode.h"

/*
 * What a text needs: MIME_IDENTITY (7bit) when it can go as it is,
 * quoted-printable while that is legible and short, else base64. Lines end with
 * LF, CR or CR LF.
 */
enum mime_encoding mime_encode_choose(struct slice text);
const char *mime_encoding_name(enum mime_encoding encoding);
/*
 * Appends the text with CR LF behind every line, the last one too. MIME_IDENTITY
 * only when it was chosen. In base64 or as chosen the result has at most 1.4 times
 * the bytes that the text has in JSON, and a few.
 */
void mime_encode_text(enum mime_encoding encoding, struct slice text, struct buf *ret);
/* Appends any bytes in lines of 76 base64 digits, each ended by CR LF. */
void mime_encode_bytes(struct slice bytes, struct buf *ret);

#endif
