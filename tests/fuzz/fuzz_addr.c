/* SPDX-License-Identifier: Apache-2.0 */
/* Address lists: what was read once reads again as the same address. */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"

static void check_addr(const struct addr *addr, struct arena *a)
{
	struct slice local, domain, folded, again;
	struct addr_list list;

	FUZZ_CHECK(addr->spec.n <= ADDR_MAX && utf8_valid(addr->spec));
	FUZZ_CHECK(!slice_has_ctl(addr->spec));
	FUZZ_CHECK(addr_split(addr->spec, &local, &domain));
	addr_parse_list(addr->spec, a, &list);
	FUZZ_CHECK(list.n == 1 && !list.bad && !list.group);
	FUZZ_CHECK(slice_eq(list.v[0].spec, addr->spec) && slice_eq(list.v[0].local, addr->local));
	if (addr_fold(addr->spec, a, &folded) == OK)
		FUZZ_CHECK(addr_fold(folded, a, &again) == OK && slice_eq(folded, again));
	FUZZ_CHECK(addr_without_tag(addr->local).n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice text = slice_of((const char *)data, size), domain, again;
	struct addr_list list;
	struct header h;
	struct addr one;

	addr_parse_list(text, &a, &list);
	FUZZ_CHECK(list.n <= ADDR_LIST_MAX);
	for (size_t i = 0; i < list.n; i++)
		check_addr(&list.v[i], &a);
	if (addr_parse_one(text, &a, &one) == OK)
		check_addr(&one, &a);
	if (addr_domain(text, &a, &domain) == OK)
		FUZZ_CHECK(addr_domain(domain, &a, &again) == OK && slice_eq(domain, again));
	header_parse(text, &a, &h);
	if (addr_author(&h, &a, &one) == OK)
		FUZZ_CHECK(header_count(&h, S("From")) == 1 && one.spec.n > 0);
	return 0;
}
