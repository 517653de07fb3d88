/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies as a browser sends them: hostile text, cut up and not checked. */
#include "apid/cookie.h"

struct slice cookie_find(struct slice field, struct slice name)
{
	struct slice rest = field, pair, key;

	while (slice_cut(&rest, ';', &pair)) {
		if (slice_find(pair, '=') < 0)
			continue;
		slice_cut(&pair, '=', &key);
		if (slice_eq(slice_trim(key), name))
			return slice_trim(pair);
	}
	return slice_of(NULL, 0);
}
