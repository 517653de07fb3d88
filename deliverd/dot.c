/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dot-unstuffing as a state machine that can be interrupted at any byte. It
 * must never take anything but CRLF.CRLF for the end.
 */
#include "deliverd/dot.h"

typedef void add_fn(void *arg, struct slice bytes);

/* Inside a line only CRLF followed by a dot needs a closer look. */
static enum dot_state read_lines(struct slice *in, add_fn *add, void *arg)
{
	ptrdiff_t at = slice_search(*in, S("\r\n."));
	enum dot_state state = DOT_IN_LINE;
	size_t n = in->n, skip = 0;

	if (at >= 0) {
		n = (size_t)at + 2;
		state = DOT_LINE_START;
	} else if (slice_ends(*in, S("\r\n"))) {
		state = DOT_LINE_START;
	} else if (slice_ends(*in, S("\r"))) {
		state = DOT_CR;
		skip = 1;
	}
	add(arg, slice_sub(*in, 0, n - skip));
	*in = slice_sub(*in, n, in->n);
	return state;
}

static enum dot_state step(enum dot_state state, struct slice *in, add_fn *add, void *arg)
{
	char c = *in->p;
	struct slice rest = slice_sub(*in, 1, in->n);

	switch (state) {
	case DOT_LINE_START:
		if (c != '.')
			return DOT_IN_LINE;
		*in = rest;
		return DOT_DOT;
	case DOT_DOT:
		if (c != '\r')
			return DOT_IN_LINE;
		*in = rest;
		return DOT_DOT_CR;
	case DOT_DOT_CR:
		if (c == '\n') {
			*in = rest;
			return DOT_END;
		}
		return DOT_CR;
	case DOT_CR:
		add(arg, S("\r"));
		if (c == '\r') {
			*in = rest;
			return DOT_CR;
		}
		if (c != '\n')
			return DOT_IN_LINE;
		add(arg, S("\n"));
		*in = rest;
		return DOT_LINE_START;
	default:
		return read_lines(in, add, arg);
	}
}

void dot_read(enum dot_state *state, struct slice *in, void (*add)(void *arg, struct slice bytes),
	      void *arg)
{
	while (in->n && *state != DOT_END)
		*state = step(*state, in, add, arg);
}
