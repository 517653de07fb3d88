/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPF records: whatever passes the vet is short, printable, free of macros and
 * exp=, and passes again unchanged in meaning.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "milter/spf_vet.h"

static bool contains(struct slice s, struct slice word)
{
	return slice_search(s, word) >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_release) struct buf out = BUF_INIT(SPF_VETTED_MAX);
	struct slice text = slice_of((const char *)data, size);
	struct spf_context c = {
		.local = S("strong-bad"),
		.sender_domain = S("email.example.com"),
		.helo = S("unknown"),
		.domain = S("example.com"),
	};

	if (spf_client_parse(size % 2 ? S("192.0.2.3") : S("2001:db8::1"), &c.client) != OK)
		__builtin_trap();
	if (spf_vet(text, &c, &out) != OK)
		return 0;
	FUZZ_CHECK(out.len <= SPF_VETTED_MAX && spf_is_record(buf_slice(&out)));
	FUZZ_CHECK(!contains(buf_slice(&out), S("%{")) && !contains(buf_slice(&out), S(" exp=")));
	for (size_t i = 0; i < out.len; i++)
		FUZZ_CHECK(out.p[i] >= ' ' && out.p[i] <= '~');
	return 0;
}
