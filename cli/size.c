/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as text. */
#include "cli/size.h"

#include "common/base/mem.h"

void size_text(uint64_t bytes, char ret[SIZE_TEXT_MAX])
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	uint64_t tenths = bytes / 100; /* of the unit */
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(ret, SIZE_TEXT_MAX, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
		return;
	}
	while (tenths >= 10000 && unit + 1 < ARRAY_LEN(units)) {
		tenths /= 1000;
		unit++;
	}
	if (tenths < 100)
		snprintf(ret, SIZE_TEXT_MAX, "%u.%u %s", (unsigned)(tenths / 10),
			 (unsigned)(tenths % 10), units[unit]);
	else
		snprintf(ret, SIZE_TEXT_MAX, "%llu %s", (unsigned long long)(tenths / 10),
			 units[unit]);
}
