/* SPDX-License-Identifier: Apache-2.0 */
/* The end of DATA and dot-unstuffing (RFC 5321 4.1.1.4, 4.5.2). */
#ifndef E2A_DELIVERD_DOT_H
#define E2A_DELIVERD_DOT_H

#include "common/base/slice.h"

/* Where in a line the reader stands; starts as DOT_LINE_START. */
enum dot_state {
	DOT_LINE_START, /* behind CRLF */
	DOT_IN_LINE,
	DOT_CR,     /* CR inside a line, not passed on yet */
	DOT_DOT,    /* '.' at the start of a line, dropped */
	DOT_DOT_CR, /* ... and CR behind it, not passed on yet */
	DOT_END     /* CRLF.CRLF was seen */
};

/*
 * Reads *in up to the end of the data, passes the unstuffed bytes to `add`,
 * leaves in *in what stands behind CRLF.CRLF. Only CRLF ends a line: a bare LF
 * or CR is content, also next to a dot (no SMTP smuggling).
 */
void dot_read(enum dot_state *state, struct slice *in, void (*add)(void *arg, struct slice bytes),
	      void *arg);

#endif
