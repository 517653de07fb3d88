/* SPDX-License-Identifier: Apache-2.0 */
/* Compares entity tags weakly, as If-None-Match does (RFC 9110 8.8.3.2). */
#include "apid/etag.h"

bool etag_known(struct slice if_none_match, struct slice etag)
{
	struct slice item;

	while (slice_cut(&if_none_match, ',', &item)) {
		item = slice_trim(item);
		if (slice_starts(item, S("W/")))
			item = slice_sub(item, 2, item.n);
		if (slice_eq(item, etag) || slice_eq(item, S("*")))
			return true;
	}
	return false;
}
