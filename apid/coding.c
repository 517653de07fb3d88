/* SPDX-License-Identifier: Apache-2.0 */
/* Reads Accept-Encoding. What cannot be read is a coding that nobody asked for. */
#include "apid/coding.h"

/* ";q=0", ";q=0.000": not this one (RFC 9110 12.4.2). */
static bool refuses(struct slice parameters)
{
	struct slice name, value = slice_trim(parameters);

	if (!slice_cut(&value, '=', &name) || !slice_ieq(slice_trim(name), S("q")) || !value.p)
		return false;
	value = slice_trim(value);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '0' && value.p[i] != '.')
			return false;
	return true;
}

bool coding_accepted(struct slice accept_encoding, struct slice coding)
{
	struct slice item, name;

	while (slice_cut(&accept_encoding, ',', &item)) {
		slice_cut(&item, ';', &name);
		if (slice_ieq(slice_trim(name), coding))
			return !refuses(item);
	}
	return false;
}
