/* SPDX-License-Identifier: Apache-2.0 */
/* DKIM-Signature values: names that come out can stand in any header or query. */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "milter/check_dkim.h"
#include "milter/dkim_vet.h"

static void check_name(struct slice s)
{
	FUZZ_CHECK(s.n <= 253);
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
			   (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-' || s.p[i] == '.' ||
			   s.p[i] == '_');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct verdict_dkim d;
	struct slice value = slice_of((const char *)data, size);
	enum err e = dkim_vet(value, &a, &d);
	size_t signed_n = dkim_signed_fields(value, S("From")) + dkim_signed_fields(value, S("To"));

	check_name(d.domain);
	check_name(d.selector);
	FUZZ_CHECK((e == OK) == (d.reason.n == 0));
	if (e == OK)
		FUZZ_CHECK(d.domain.n > 0 && d.selector.n > 0 && signed_n <= DKIM_SIGNED_NAMES_MAX);
	return 0;
}
