/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output. Every write is checked: the first failure sticks, later writes do nothing, and
 * out_flush() tells. Texts of others (mail, names, what a server says) go through out_text() and
 * out_line(), which show odd characters (common/base/odd.h) as <U+202E>; what is written with
 * out_str() and out_strf() is ours, or safe by what it is.
 */
#ifndef E2A_CLI_OUT_H
#define E2A_CLI_OUT_H

#include "cli/doc.h"
#include "common/base/buf.h"

#include <stdio.h>

struct out {
	FILE *f;
	int error; /* errno of the first write that failed, or 0 */
};

void out_init(struct out *o, FILE *f);
void out_str(struct out *o, const char *s);
void out_strf(struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Several lines: LF and tabs stay, CR LF becomes LF. */
void out_text(struct out *o, struct slice s);
/* The same on one line: line ends and tabs become blanks. */
void out_line(struct out *o, struct slice s);
/* "label value\n", the value by out_line(). Nothing when the value is empty. */
void out_field(struct out *o, const char *label, struct slice value);
/* A document for --json, with a line end. */
void out_doc(struct out *o, const struct doc *d, enum doc_style style);
/* Bytes as they are, for output that is meant to be a file. */
void out_bytes(struct out *o, struct slice s);

/* Nothing more can be written: whoever writes for ever stops. */
bool out_failed(const struct out *o);
/* ERR_IO when anything was lost, with the cause. out_broken(): because the reader went away. */
enum err out_flush(struct out *o, struct fail *fail) MUST_CHECK;
bool out_broken(const struct out *o);

/* What out_text() and out_line() write, appended to a buf. */
void out_safe_text(struct buf *ret, struct slice s);
void out_safe_line(struct buf *ret, struct slice s);

#endif
