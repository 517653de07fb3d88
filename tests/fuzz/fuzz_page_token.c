/* SPDX-License-Identifier: Apache-2.0 */
/* Page tokens: no text that we did not write opens, what we write comes back. */
#include "tests/fuzz/fuzz.h"

#include "apid/page_token.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#define KEY S("0123456789abcdef0123456789abcdef")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf token = BUF_INIT(2 * PAGE_TOKEN_MAX);
	struct slice input = slice_of((const char *)data, size);
	struct slice text = utf8_cut(utf8_clean(&a, input), 200);
	struct page_token t = { .agent = text, .told.snapshot = text }, got;

	FUZZ_CHECK(page_token_read(input, S("u"), KEY, &a, &got) != OK);
	page_token_write(&t, S("u"), KEY, &token);
	if (page_token_read(buf_slice(&token), S("u"), KEY, &a, &got) == OK)
		FUZZ_CHECK(slice_eq(got.agent, text) && slice_eq(got.told.snapshot, text));
	else
		FUZZ_CHECK(token.len == 0 || token.len > PAGE_TOKEN_MAX);
	return 0;
}
