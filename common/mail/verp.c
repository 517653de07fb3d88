/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses by which reports find their mail. */
#include "common/mail/verp.h"

#include "common/base/ids.h"
#include "common/mail/coded_addr.h"

#define PREFIX S("bounce-")

struct slice verp_new(struct slice domain, struct arena *a)
{
	char digits[TOKEN_HEX_LEN + 1];

	id_random_hex(CODED_ADDR_DIGITS, digits);
	return coded_addr_make(PREFIX, slice_str(digits), domain, a);
}

bool verp_is(struct slice address, struct arena *a, struct slice *ret)
{
	struct slice digits;

	return coded_addr_is(address, PREFIX, a, ret, &digits);
}
