/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 (RFC 3629) as Postgres takes it: valid, shortest form, without NUL. */
#ifndef E2A_BASE_UTF8_H
#define E2A_BASE_UTF8_H

#include "common/base/arena.h"
#include "common/base/slice.h"

#include <stdint.h>

/*
 * Length of the valid sequence at the start of s (1..4), or 0 when the first
 * byte starts none (overlong forms, surrogates and values above U+10FFFF
 * included). s must not be empty.
 */
size_t utf8_len(struct slice s);
bool utf8_valid(struct slice s);
/* Number of code points; each invalid byte counts as one. */
size_t utf8_count(struct slice s);
/* Invalid bytes become U+FFFD, NUL is removed; the input itself when it was clean. */
struct slice utf8_clean(struct arena *a, struct slice s);
/* The length of what utf8_clean() makes. */
size_t utf8_clean_len(struct slice s);
/* The sequence of a code point that is no surrogate and at most U+10FFFF; its length. */
size_t utf8_encode(uint32_t c, char ret[4]);
/* At most max_bytes of s, cut at a code point. */
struct slice utf8_cut(struct slice s, size_t max_bytes);
/* The same on one line: ASCII controls become blanks, blanks at the ends go. A copy. */
struct slice utf8_line(struct arena *a, struct slice s, size_t max_bytes);
/*
 * What a reader sees is what is there: controls but tab and LF (ASCII's, U+0080 to U+009F, line
 * and paragraph separators), marks that turn text around (U+202A to U+202E, U+2066 to U+2069) and
 * invalid bytes become U+FFFD. A copy.
 */
struct slice utf8_plain(struct arena *a, struct slice s);

#endif
