/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of SMTP syntax: paths (RFC 5321 4.1.2) and xtext (RFC 3461 4). */
#ifndef E2A_DELIVERD_LMTP_SYNTAX_H
#define E2A_DELIVERD_LMTP_SYNTAX_H

#include "common/base/buf.h"

/*
 * Reads "<path>" at the start of *in and leaves the rest. *ret is what stands
 * between the brackets, without a source route; empty for "<>". ERR_INPUT when
 * brackets or quotes do not match or a control character is inside.
 */
enum err lmtp_path(struct slice *in, size_t max_bytes, struct slice *ret) MUST_CHECK;
/* Appends the decoded xtext. ERR_INPUT when it is not; ERR_TOO_BIG at the ceiling of *ret. */
enum err lmtp_xtext(struct slice in, struct buf *ret) MUST_CHECK;
/* The next word of *in; false when only blanks are left. */
bool lmtp_word(struct slice *in, struct slice *ret);

#endif
