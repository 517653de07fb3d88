/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a reviewer's answer goes: review-<token>@domain, with the token of
 * approval_reply_token(). Postfix takes mail to it while the database knows the token.
 */
#ifndef E2A_MAIL_REVIEW_ADDR_H
#define E2A_MAIL_REVIEW_ADDR_H

#include "common/base/arena.h"
#include "common/base/slice.h"

struct slice review_addr(struct slice token, struct slice domain, struct arena *a);
/* Is this the form of such an address? *ret is it folded, *ret_token a part of it. */
bool review_addr_is(struct slice address, struct arena *a, struct slice *ret,
		    struct slice *ret_token);

#endif
