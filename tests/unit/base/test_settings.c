/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings row by row, and secrets that are not secret. */
#include "common/base/file.h"
#include "common/base/settings.h"
#include "tests/unit/test.h"

#include <unistd.h>

static void every_default_passes_the_rule_of_its_own_row(void **state)
{
	AUTO(settings_release) struct settings s = { 0 };

	(void)state;
	conf_defaults(settings_table, &s); /* aborts at a row that breaks it */
	for (const struct conf_row *row = settings_table; row->key; row++)
		if (!conf_is_default(row, &s))
			fail_msg("%s is not at its default", row->key);
	assert_int_equal(settings_check(&s, NULL), OK);
}

static void messages_are_kept_while_a_human_may_decide(void **state)
{
	AUTO(settings_release) struct settings s = { 0 };
	struct fail f = { 0 };

	(void)state;
	conf_defaults(settings_table, &s);
	s.message_retention_ms = HOLD_TTL_MAX_S * INT64_C(1000);
	assert_int_equal(settings_check(&s, NULL), OK);
	s.message_retention_ms--;
	assert_int_equal(settings_check(&s, &f), ERR_CONFIG);
	assert_non_null(strstr(f.what, "message_retention"));
}

static void every_row_survives_being_printed_and_read(void **state)
{
	(void)state;
	for (const struct conf_row *row = settings_table; row->key; row++) {
		AUTO(settings_release) struct settings s = { 0 }, back = { 0 };
		AUTO(buf_release) struct buf text = BUF_INIT(10000), again = BUF_INIT(10000);
		struct fail f = { 0 };

		conf_defaults(settings_table, &s);
		conf_defaults(settings_table, &back);
		conf_print(row, &s, &text);
		if (conf_read(settings_table, &back, buf_slice(&text), "printed", &f))
			fail_msg("%s", f.what);
		conf_print(row, &back, &again);
		assert_string_equal(buf_cstr(&again), buf_cstr(&text));
	}
}

static void every_row_takes_its_own_limits(void **state)
{
	(void)state;
	for (const struct conf_row *row = settings_table; row->key; row++) {
		static const char *const units[] = {
			[CONF_INT] = "", [CONF_BYTES] = "", [CONF_TIME] = "ms"
		};
		AUTO(settings_release) struct settings s = { 0 };
		AUTO(buf_release) struct buf text = BUF_INIT(1000);

		if (row->type != CONF_INT && row->type != CONF_BYTES && row->type != CONF_TIME)
			continue;
		if (row->min >= row->max)
			fail_msg("%s has no room between min and max", row->key);
		conf_defaults(settings_table, &s);
		buf_addf(&text, "%s = %lld%s\n%s = %lld%s\n", row->key, (long long)row->min,
			 units[row->type], row->key, (long long)row->max, units[row->type]);
		assert_int_equal(conf_read(settings_table, &s, buf_slice(&text), "f", NULL), OK);
		buf_reset(&text);
		buf_addf(&text, "%s = %lld%s\n", row->key, (long long)row->max + 1,
			 units[row->type]);
		assert_int_equal(conf_read(settings_table, &s, buf_slice(&text), "f", NULL),
				 ERR_CONFIG);
	}
}

static void every_row_has_a_help_text_without_a_dot(void **state)
{
	(void)state;
	for (const struct conf_row *row = settings_table; row->key; row++)
		if (!row->help || !*row->help || row->help[strlen(row->help) - 1] == '.')
			fail_msg("%s: help must be a sentence without a dot", row->key);
}

static void keys_variables_and_fields_are_unique(void **state)
{
	(void)state;
	for (const struct conf_row *a = settings_table; a->key; a++)
		for (const struct conf_row *b = settings_table; b < a; b++)
			if (strcmp(a->key, b->key) == 0 || a->offset == b->offset ||
			    (a->env && b->env && strcmp(a->env, b->env) == 0))
				fail_msg("%s and %s share key, field or variable", a->key, b->key);
}

static void variables_are_in_our_name_space(void **state)
{
	(void)state;
	for (const struct conf_row *row = settings_table; row->key; row++)
		if (row->env && strncmp(row->env, "E2A_", 4) != 0)
			fail_msg("%s: %s", row->key, row->env);
}

static void weak_secrets_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("change-me-in-production"),
		SLICE_INIT("change-me-in-production-0123456789abcdef"),
		SLICE_INIT("CHANGE-ME-IN-PRODUCTION-0123456789ABCDEF"),
		SLICE_INIT("0123456789abcdef0123456789abcde"),
		SLICE_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		SLICE_INIT("abcabcabcabcabcabcabcabcabcabcabcabcabcabc"),
		SLICE_INIT("abcdefgabcdefgabcdefgabcdefgabcdefg"),
		SLICE_INIT("this-is-your-secret-0123456789abcdef"),
		SLICE_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fail f = { 0 };

		assert_row(i, settings_check_secret(rows[i], &f) == ERR_CONFIG);
		assert_row(i, f.code == ERR_CONFIG && *f.what);
		assert_row(i, rows[i].n == 0 || !rows[i].p[0] || !strstr(f.what, rows[i].p));
	}
	assert_int_equal(settings_check_secret(S("0123456789abcdef0123456789abcdef"), NULL), OK);
}

static void load_stops_at_a_weak_secret_and_at_a_missing_file(void **state)
{
	char path[] = "/tmp/e2a-test-settings.XXXXXX";
	struct settings s = { 0 };
	struct fail f = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(settings_load(path, &s, &f), OK);
	settings_release(&s);
	setenv("E2A_HMAC_SECRET", "change-me-in-production", 1);
	s = (struct settings){ 0 };
	assert_int_equal(settings_load(path, &s, &f), ERR_CONFIG);
	assert_null(s.database_url);
	unsetenv("E2A_HMAC_SECRET");
	unlink(path);
	assert_int_equal(settings_load(path, &s, &f), ERR_CONFIG);
	assert_int_equal(f.code, ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_passes_the_rule_of_its_own_row),
		cmocka_unit_test(messages_are_kept_while_a_human_may_decide),
		cmocka_unit_test(every_row_survives_being_printed_and_read),
		cmocka_unit_test(every_row_takes_its_own_limits),
		cmocka_unit_test(every_row_has_a_help_text_without_a_dot),
		cmocka_unit_test(keys_variables_and_fields_are_unique),
		cmocka_unit_test(variables_are_in_our_name_space),
		cmocka_unit_test(weak_secrets_are_refused),
		cmocka_unit_test(load_stops_at_a_weak_secret_and_at_a_missing_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
