/* SPDX-License-Identifier: Apache-2.0 */
#include "common/mail/review_addr.h"
#include "tests/unit/test.h"

#define TOKEN "00112233445566778899aabbccddeeff"

static void an_address_gives_its_token_back(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice made = review_addr(S(TOKEN), S("x.example"), &a), seen, token;

	(void)state;
	assert_slice(made, S("review-" TOKEN "@x.example"));
	assert_true(review_addr_is(made, &a, &seen, &token));
	assert_slice(seen, made);
	assert_slice(token, S(TOKEN));
}

static void only_the_exact_form_is_one(void **state)
{
	static const struct {
		const char *address;
		bool want;
	} rows[] = {
		{ "review-" TOKEN "@x.example", true },
		{ "REVIEW-00112233445566778899AABBCCDDEEFF@X.Example", true },
		{ "review-" TOKEN "0@x.example", false },
		{ "review-00112233445566778899aabbccddeef@x.example", false },
		{ "review-00112233445566778899aabbccddeefg@x.example", false },
		{ "review-" TOKEN "+a@x.example", false },
		{ "review+" TOKEN "@x.example", false },
		{ "bounce-" TOKEN "@x.example", false },
		{ "xreview-" TOKEN "@x.example", false },
		{ "review-" TOKEN "@", false },
		{ "review-" TOKEN, false },
		{ TOKEN "@x.example", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice seen, token = S("untouched");
		bool is = review_addr_is(slice_str(rows[i].address), &a, &seen, &token);

		assert_row(i, is == rows[i].want);
		assert_slice_row(token, is ? S(TOKEN) : S("untouched"), i);
		if (is)
			assert_slice_row(seen, S("review-" TOKEN "@x.example"), i);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_gives_its_token_back),
		cmocka_unit_test(only_the_exact_form_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
