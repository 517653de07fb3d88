/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: what of an Authorization header is the key, and how keys are looked up. */
#include "apid/auth.h"
#include "common/base/crypto.h"
#include "tests/unit/test.h"

static void only_the_exact_prefix_is_taken_off(void **state)
{
	static const struct {
		struct slice header, want;
	} rows[] = {
		{ SLICE_INIT("Bearer e2a_1"), SLICE_INIT("e2a_1") },
		{ SLICE_INIT("e2a_1"), SLICE_INIT("e2a_1") },
		{ SLICE_INIT("bearer e2a_1"), SLICE_INIT("bearer e2a_1") },
		{ SLICE_INIT("Bearer  e2a_1"), SLICE_INIT(" e2a_1") },
		{ SLICE_INIT("Bearer\te2a_1"), SLICE_INIT("Bearer\te2a_1") },
		{ SLICE_INIT("Bearer"), SLICE_INIT("Bearer") },
		{ SLICE_INIT(""), SLICE_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(auth_token(rows[i].header), rows[i].want, i);
}

static void a_key_is_found_by_the_hash_of_all_of_it(void **state)
{
	char hex[SHA256_HEX_LEN + 1];

	(void)state;
	crypto_sha256_hex(S("e2a_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
			  hex);
	assert_string_equal(hex,
			    "3b95c627c9c8cd59b7bdb9fd99cf50efbd9a16fdac750060fd57f74d5807e940");
}

static void tokens_that_cannot_be_keys_are_not_looked_up(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	char long_token[AUTH_TOKEN_MAX + 1] = { 0 };
	struct principal p;

	(void)state;
	assert_int_equal(auth_principal(NULL, S(""), &a, &p, NULL), ERR_UNAUTHORIZED);
	assert_int_equal(
		auth_principal(NULL, slice_of(long_token, sizeof(long_token)), &a, &p, NULL),
		ERR_UNAUTHORIZED);
}

static void a_key_of_one_agent_reaches_no_other(void **state)
{
	const struct principal account = { 0 };
	const struct principal agent = { .agent_scope = true, .agent_address = S("a@x.io") };
	const struct principal none = { .agent_scope = true };

	(void)state;
	assert_true(auth_reaches(&account, S("b@x.io")));
	assert_true(auth_reaches(&agent, S("a@x.io")));
	assert_false(auth_reaches(&agent, S("b@x.io")));
	assert_false(auth_reaches(&none, S("a@x.io")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_exact_prefix_is_taken_off),
		cmocka_unit_test(a_key_is_found_by_the_hash_of_all_of_it),
		cmocka_unit_test(tokens_that_cannot_be_keys_are_not_looked_up),
		cmocka_unit_test(a_key_of_one_agent_reaches_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
