/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters that make a text look other than it is, on a terminal: controls (escape sequences
 * begin with one), marks that turn text around, and what is there and not seen. Texts of
 * strangers go through this before somebody reads them.
 */
#ifndef E2A_BASE_ODD_H
#define E2A_BASE_ODD_H

#include "common/base/slice.h"

/* Is the code point one of them? Tab and LF are none, CR is one. */
bool odd_is(uint32_t c);

struct odd_run {
	size_t plain; /* bytes at the start that are as they look */
	size_t odd_n; /* bytes of the odd character behind them; 0 at the end of the text */
	uint32_t odd; /* its code point; U+FFFD for a byte that is no UTF-8 */
};

/* Cuts at the first odd character; invalid bytes count as such. */
struct odd_run odd_next(struct slice s);

#endif
