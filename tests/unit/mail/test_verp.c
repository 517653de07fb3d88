/* SPDX-License-Identifier: Apache-2.0 */
#include "common/mail/verp.h"
#include "tests/unit/test.h"

static void a_new_address_is_known_again_and_like_no_other(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice one = verp_new(S("x.example"), &a), two = verp_new(S("x.example"), &a), seen;

	(void)state;
	assert_true(verp_is(one, &a, &seen));
	assert_slice(seen, one);
	assert_false(slice_eq(one, two));
}

static void only_the_exact_form_is_one(void **state)
{
	static const struct {
		const char *address;
		const char *want; /* NULL: it is none */
	} rows[] = {
		{ "bounce-00112233445566778899aabbccddeeff@x.example",
		  "bounce-00112233445566778899aabbccddeeff@x.example" },
		{ "Bounce-00112233445566778899AABBCCDDEEFF@X.Example",
		  "bounce-00112233445566778899aabbccddeeff@x.example" },
		{ "bounce-00112233445566778899aabbccddeef@x.example", NULL },
		{ "bounce-00112233445566778899aabbccddeeff0@x.example", NULL },
		{ "bounce-00112233445566778899aabbccddeefg@x.example", NULL },
		{ "bounce-00112233445566778899aabbccddeeff+a@x.example", NULL },
		{ "xbounce-00112233445566778899aabbccddeeff@x.example", NULL },
		{ "bounce-00112233445566778899aabbccddeeff", NULL },
		{ "bounce-00112233445566778899aabbccddeeff@", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice got;
		bool is = verp_is(slice_str(rows[i].address), &a, &got);

		assert_row(i, is == (rows[i].want != NULL));
		if (is)
			assert_slice_row(got, slice_str(rows[i].want), i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_address_is_known_again_and_like_no_other),
		cmocka_unit_test(only_the_exact_form_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
