/* SPDX-License-Identifier: Apache-2.0 */
/* The table is complete, and its replies agree with retryable. */
#include "common/base/err.h"
#include "tests/unit/test.h"

static void every_code_has_a_full_row_and_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_info *info = err_info((enum err)i);

		assert_row(i, info->name && *info->name && info->text && *info->text);
		assert_row(i, info->http >= 200 && info->http < 600);
		assert_row(i, info->smtp >= 200 && info->smtp < 600);
		for (int k = 0; k < i; k++)
			assert_row(i, strcmp(info->name, err_info((enum err)k)->name));
	}
}

static void reply_and_enhanced_code_are_of_one_class(void **state)
{
	(void)state; /* RFC 2034 section 4 */
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_info *info = err_info((enum err)i);

		assert_row(i, info->enhanced[0] - '0' == info->smtp / 100);
		assert_row(i, info->enhanced[1] == '.');
	}
}

static void a_retryable_failure_is_never_a_permanent_reply(void **state)
{
	(void)state;
	for (int i = 1; i < ERR_COUNT; i++)
		if (err_info((enum err)i)->retryable)
			assert_row(i, err_info((enum err)i)->smtp / 100 == 4);
}

static void our_own_failures_are_temporary_for_mail(void **state)
{
	static const enum err rows[] = { ERR_IO,     ERR_STORAGE, ERR_COMMIT_UNKNOWN, ERR_SCHEMA,
					 ERR_CONFIG, ERR_CRYPTO,  ERR_INTERNAL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, err_info(rows[i])->smtp / 100 == 4);
}

static void unknown_codes_are_internal(void **state)
{
	(void)state;
	assert_ptr_equal(err_info((enum err)9999), err_info(ERR_INTERNAL));
	assert_ptr_equal(err_info((enum err) - 1), err_info(ERR_INTERNAL));
}

static void long_texts_are_cut_and_null_is_fine(void **state)
{
	struct fail f = { 0 };
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(fail_set(&f, ERR_IO, "%s", text), ERR_IO);
	assert_int_equal(f.code, ERR_IO);
	assert_int_equal(strlen(f.what), sizeof(f.what) - 1);
	assert_int_equal(fail_set(NULL, ERR_DNS, "%s", text), ERR_DNS);
}

static void a_text_can_be_wrapped_into_itself(void **state)
{
	struct fail f;

	(void)state;
	fail_set(&f, ERR_IO, "inner");
	fail_set(&f, ERR_CONFIG, "outer: %s", f.what);
	assert_string_equal(f.what, "outer: inner");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_full_row_and_a_name_of_its_own),
		cmocka_unit_test(reply_and_enhanced_code_are_of_one_class),
		cmocka_unit_test(a_retryable_failure_is_never_a_permanent_reply),
		cmocka_unit_test(our_own_failures_are_temporary_for_mail),
		cmocka_unit_test(unknown_codes_are_internal),
		cmocka_unit_test(long_texts_are_cut_and_null_is_fine),
		cmocka_unit_test(a_text_can_be_wrapped_into_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
