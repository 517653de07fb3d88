/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses by which answers find the mail that they decide about. */
#include "common/mail/review_addr.h"

#include "common/mail/approval_token.h"
#include "common/mail/coded_addr.h"

#include <assert.h>

#define PREFIX S("review-")

static_assert((int)APPROVAL_REPLY_HEX_LEN == (int)CODED_ADDR_DIGITS, "a token is the digits");

struct slice review_addr(struct slice token, struct slice domain, struct arena *a)
{
	assert(token.n == APPROVAL_REPLY_HEX_LEN);
	return coded_addr_make(PREFIX, token, domain, a);
}

bool review_addr_is(struct slice address, struct arena *a, struct slice *ret,
		    struct slice *ret_token)
{
	return coded_addr_is(address, PREFIX, a, ret, ret_token);
}
