/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses by which reports find their mail. */
#include "common/mail/verp.h"

#include "common/base/ids.h"
#include "common/mail/addr.h"

#define PREFIX "bounce-"

enum { DIGITS = 32 };

struct slice verp_new(struct slice domain, struct arena *a)
{
	char digits[TOKEN_HEX_LEN + 1];

	id_random_hex(DIGITS, digits);
	return slice_str(arena_printf(a, PREFIX "%s@%.*s", digits, SLICE_ARGS(domain)));
}

static bool is_hex(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return true;
}

bool verp_is(struct slice address, struct arena *a, struct slice *ret)
{
	struct slice folded, local, domain;

	if (addr_fold(address, a, &folded) || !addr_split(folded, &local, &domain) ||
	    local.n != sizeof(PREFIX) - 1 + DIGITS || !slice_starts(local, S(PREFIX)) ||
	    !is_hex(slice_sub(local, sizeof(PREFIX) - 1, local.n)))
		return false;
	*ret = folded;
	return true;
}
