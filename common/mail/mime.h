/* SPDX-License-Identifier: Apache-2.0 */
/* Text out of headers, by GMime: RFC 2047 encoded-words and raw 8-bit text in any charset. */
#ifndef E2A_MAIL_MIME_H
#define E2A_MAIL_MIME_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/slice.h"

/* Once per process, before the first call from any thread. */
void mime_init(void);
/*
 * The unfolded, decoded text of an unstructured value or a phrase: valid
 * UTF-8 without controls, at most max_bytes (cut at a code point). Raw 8-bit
 * text that is not UTF-8 is read as windows-1252.
 */
struct slice mime_text(struct slice value, size_t max_bytes, struct arena *a);
/* The same with the blanks at both ends that encoded words brought along. */
struct slice mime_text_exact(struct slice value, size_t max_bytes, struct arena *a);

/*
 * A Date value (RFC 5322 3.3, and the forms that mail uses beside it) in microseconds since
 * 1970. ERR_INPUT when it is none.
 */
enum err mime_date(struct slice value, struct arena *a, int64_t *ret_us) MUST_CHECK;
/* Appends the Date value in UTC. ERR_INPUT for a time outside of the years 1 to 9999. */
enum err mime_date_write(int64_t us, struct buf *ret) MUST_CHECK;

#endif
