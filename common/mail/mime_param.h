/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured MIME fields, "value; name=value; ..." (RFC 2045 5.1, RFC 2183 2), with
 * the continuations and charsets of RFC 2231 and, in file names, the encoded words
 * that senders use instead. Read with tolerance; nothing here fails.
 */
#ifndef E2A_MAIL_MIME_PARAM_H
#define E2A_MAIL_MIME_PARAM_H

#include "common/base/arena.h"
#include "common/base/slice.h"

enum { MIME_PARAMS_MAX = 64, MIME_PARAM_BYTES_MAX = 4096 };

struct mime_field {
	struct slice value; /* what stands before the first ';', without comments and blanks */
	struct {
		struct slice name, value; /* quotes and comments are gone */
	} param[MIME_PARAMS_MAX];         /* further ones are dropped */
	size_t n;
};

/* Everything lives in the arena. */
void mime_field_parse(struct slice raw, struct arena *a, struct mime_field *ret);
/* A parameter's bytes, joined and percent-decoded; empty when it is absent. */
struct slice mime_field_bytes(const struct mime_field *f, struct slice name, struct arena *a);
/* A parameter's text: UTF-8 without controls. */
struct slice mime_field_text(const struct mime_field *f, struct slice name, struct arena *a);

/*
 * A name under which a file may be stored: no path, no control, nothing that
 * turns text around, no dot in front, at most 255 bytes. May come out empty.
 */
struct slice mime_safe_filename(struct slice name, struct arena *a);
/* True for type "/" subtype of RFC 6838 4.2. */
bool mime_is_media_type(struct slice s);

#endif
