/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of our own that no agent can have: <word>-<32 hex digits>@domain. Only who was
 * given one knows it.
 */
#ifndef E2A_MAIL_CODED_ADDR_H
#define E2A_MAIL_CODED_ADDR_H

#include "common/base/arena.h"
#include "common/base/slice.h"

enum { CODED_ADDR_DIGITS = 32 };

struct slice coded_addr_make(struct slice prefix, struct slice digits, struct slice domain,
			     struct arena *a);
/*
 * Is this the form of such an address? *ret is it folded, *ret_digits a part of it. Upper
 * case is the same, a +tag is not.
 */
bool coded_addr_is(struct slice address, struct slice prefix, struct arena *a, struct slice *ret,
		   struct slice *ret_digits);

#endif
