/* SPDX-License-Identifier: Apache-2.0 */
/* Charsets by the names that mail uses for them. */
#ifndef E2A_MAIL_MIME_CHARSET_H
#define E2A_MAIL_MIME_CHARSET_H

#include "common/base/arena.h"
#include "common/base/slice.h"

/*
 * The name by which iconv(3) knows a charset, or NULL when it knows none of that
 * name. US-ASCII and ISO-8859-1 are read as windows-1252, as everybody does. GMime
 * and iconv keep what they are given: no other name may reach them.
 */
const char *mime_charset_known(struct slice name, struct arena *a);
/* Text in windows-1252 as UTF-8; the five bytes without a character keep their number. */
struct slice mime_charset_cp1252(struct slice s, struct arena *a);
/* One byte of it; the length of the sequence. */
size_t mime_charset_cp1252_byte(unsigned char byte, char ret[4]);

#endif
