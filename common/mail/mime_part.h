/* SPDX-License-Identifier: Apache-2.0 */
/* What the header of one part says of it. For the scanner of mime_tree.c only. */
#ifndef E2A_MAIL_MIME_PART_H
#define E2A_MAIL_MIME_PART_H

#include "common/mail/mime_param.h"
#include "common/mail/mime_tree.h"

struct mime_part_header {
	struct header fields;
	struct mime_field type; /* Content-Type with its parameters */
	struct slice type_name; /* a valid media type in lower case, or empty when none is given */
};

/* Reads the header of a part; everything lives in the arena and in `text`. */
void mime_part_header_read(struct slice text, struct arena *a, struct mime_part_header *ret);
/*
 * The part with all that its header alone tells, under its given type; texts are
 * in the arena.
 */
struct mime_part mime_part_of(const struct mime_part_header *h, struct slice type, struct arena *a);

#endif
