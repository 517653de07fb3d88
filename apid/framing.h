/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request ends. A proxy in front may see another end than libmicrohttpd,
 * which reads on when a head contradicts itself; what it takes for the next
 * request would then be somebody else's words (request smuggling).
 */
#ifndef E2A_APID_FRAMING_H
#define E2A_APID_FRAMING_H

#include "common/base/slice.h"

struct framing {
	unsigned lengths, codings; /* fields that say how long the body is */
	bool odd;                  /* a field that readers may understand differently */
};

/* Notes a header field, as libmicrohttpd gives it. */
void framing_field(struct framing *f, struct slice name, struct slice value);
/*
 * After the last field: can the end be seen in one way only (RFC 9112 5.1, 6.1,
 * 6.3)? Else the request gets 400 and its connection ends.
 */
bool framing_is_clear(const struct framing *f, bool http_1_1);

#endif
