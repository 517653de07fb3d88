/* SPDX-License-Identifier: Apache-2.0 */
/* The text encodings of RFC 4648 (base16, base64, base64url), and that of URLs. */
#ifndef E2A_BASE_ENCODE_H
#define E2A_BASE_ENCODE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

/* 2n lower-case digits and a NUL; `ret` has room for 2n + 1 bytes. */
void hex_text(const void *p, size_t n, char *ret);
/* The same, appended. */
void hex_encode(struct slice s, struct buf *ret);
/* Exactly n bytes from 2n lower- or upper-case digits, else ERR_INPUT. */
enum err hex_decode(struct slice s, void *ret, size_t n) MUST_CHECK;

void base64_encode(struct slice s, struct buf *ret);    /* padded, no line breaks */
void base64url_encode(struct slice s, struct buf *ret); /* no padding */
/*
 * Appended. Strict: right padding, no blanks, no trailing bits; else ERR_INPUT
 * and nothing is appended. ERR_TOO_BIG at the ceiling.
 */
enum err base64_decode(struct slice s, struct buf *ret) MUST_CHECK;
enum err base64url_decode(struct slice s, struct buf *ret) MUST_CHECK;
/* Into memory of the caller's, with room for s.n / 4 * 3 bytes. */
enum err base64_decode_at(struct slice s, char *ret, size_t *ret_n) MUST_CHECK;

/* Appends s with all but the unreserved characters as %XX (RFC 3986 2.1). */
void percent_encode(struct slice s, struct buf *ret);

#endif
