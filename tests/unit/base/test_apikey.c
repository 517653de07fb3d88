/* SPDX-License-Identifier: Apache-2.0 */
/* A new key has the form that clients know, and its hash is of the whole of it. */
#include "common/base/apikey.h"
#include "tests/unit/test.h"

static void a_key_is_a_prefix_and_64_hex_digits(void **state)
{
	struct apikey k;
	uint8_t hash[SHA256_LEN], digits[32];
	struct slice text;

	(void)state;
	apikey_new(&k);
	text = slice_str(k.text);
	assert_int_equal(text.n, 68);
	assert_true(slice_starts(text, S("e2a_")));
	assert_int_equal(hex_decode(slice_sub(text, 4, text.n), digits, sizeof(digits)), OK);
	crypto_sha256(text, hash);
	assert_memory_equal(hash, k.hash, sizeof(hash));
	assert_slice(apikey_prefix(&k), slice_sub(text, 0, 12));
}

static void no_two_keys_are_alike(void **state)
{
	struct apikey a, b;

	(void)state;
	apikey_new(&a);
	apikey_new(&b);
	assert_string_not_equal(a.text, b.text);
	assert_memory_not_equal(a.hash, b.hash, sizeof(a.hash));
}

static void nothing_of_a_wiped_key_is_left(void **state)
{
	static const struct apikey none;
	struct apikey k;

	(void)state;
	apikey_new(&k);
	apikey_wipe(&k);
	assert_memory_equal(&k, &none, sizeof(k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_a_prefix_and_64_hex_digits),
		cmocka_unit_test(no_two_keys_are_alike),
		cmocka_unit_test(nothing_of_a_wiped_key_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
