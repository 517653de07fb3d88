/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that carry a secret. What only looks like one must not pass for one. */
#include "common/mail/coded_addr.h"

#include "common/mail/addr.h"

struct slice coded_addr_make(struct slice prefix, struct slice digits, struct slice domain,
			     struct arena *a)
{
	return slice_str(arena_printf(a, "%.*s%.*s@%.*s", SLICE_ARGS(prefix), SLICE_ARGS(digits),
				      SLICE_ARGS(domain)));
}

static bool is_hex(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return true;
}

bool coded_addr_is(struct slice address, struct slice prefix, struct arena *a, struct slice *ret,
		   struct slice *ret_digits)
{
	struct slice folded, local, domain, digits;

	if (addr_fold(address, a, &folded) || !addr_split(folded, &local, &domain) ||
	    local.n != prefix.n + CODED_ADDR_DIGITS || !slice_starts(local, prefix))
		return false;
	digits = slice_sub(local, prefix.n, local.n);
	if (!is_hex(digits))
		return false;
	*ret = folded;
	*ret_digits = digits;
	return true;
}
