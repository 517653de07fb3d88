/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets compressed files, and who must not. */
#include "apid/coding.h"
#include "tests/unit/test.h"

static void a_coding_is_used_only_for_those_who_name_it(void **state)
{
	static const struct {
		const char *accept;
		bool gzip;
	} rows[] = {
		{ "gzip", true },
		{ "gzip, deflate, br, zstd", true },
		{ "br;q=1.0, GZIP;q=0.8", true },
		{ "br , gzip ; q=0.001", true },
		{ "gzip;", true },
		{ "gzip;q=1", true },
		{ "gzip;x=0", true },
		{ "", false },
		{ "*", false },
		{ "identity", false },
		{ "gzip;q=0", false },
		{ "gzip ; Q = 0.000", false },
		{ "br, gzip;q=0.0, gzip", false },
		{ "xgzip", false },
		{ "gzip2", false },
		{ "br;gzip", false },
		{ ",,;,=", false },
		{ ";q=0", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i,
			   coding_accepted(slice_str(rows[i].accept), S("gzip")) == rows[i].gzip);
	assert_false(coding_accepted(slice_of(NULL, 0), S("gzip")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_coding_is_used_only_for_those_who_name_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
