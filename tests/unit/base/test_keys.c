/* SPDX-License-Identifier: Apache-2.0 */
/* Key files that lack something stop a program; nobody gets another program's keys. */
#include "common/base/file.h"
#include "common/base/keys.h"
#include "tests/unit/test.h"

#include <sys/stat.h>
#include <unistd.h>

#define HEX32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static char folder[] = "/tmp/e2a-test-keys.XXXXXX";
static const struct slice secret = SLICE_INIT("0123456789abcdef0123456789abcdef");

static const char *key_path(const char *program)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s.keys", folder, program);
	return path;
}

static void write_keys(const char *program, struct slice text, mode_t mode)
{
	assert_int_equal(file_replace(key_path(program), text, mode, NULL), OK);
}

static void incomplete_and_malformed_files_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("seal = " HEX32 "\n"),
		SLICE_INIT("seal = " HEX32 "\nticket = \n"),
		SLICE_INIT("seal = " HEX32 "\nticket = 00\n"),
		SLICE_INIT("seal = " HEX32 "\nticket = " HEX32 "00\n"),
		SLICE_INIT("seal = " HEX32 "\nticket = x" HEX32 "\n"),
		SLICE_INIT("seal = " HEX32 "\n# ticket = " HEX32 "\n"),
		SLICE_INIT("seal = " HEX32 "\nTICKET = " HEX32 "\n"),
		SLICE_INIT("seal = " HEX32 "\nticket = " HEX32 "\nticket = no\n"),
		SLICE_INIT("seal=" HEX32 " ticket=" HEX32),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct keys k = { 0 };
		struct fail f = { 0 };

		write_keys("milter", rows[i], 0600);
		assert_row(i, keys_load("milter", folder, &k, &f) == ERR_CONFIG);
		assert_row(i, strstr(f.what, "milter.keys: key ") && !strstr(f.what, "0001"));
		assert_row(i, !k.has[KEY_SEAL]);
	}
}

static void a_file_that_everybody_may_touch_is_refused(void **state)
{
	static const mode_t modes[] = { 0604, 0602, 0666, 0644 };
	AUTO(buf_release) struct buf text = BUF_INIT(4096);
	struct keys all, k;

	(void)state;
	keys_derive(secret, &all);
	keys_print("apid", &all, &text);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct fail f = { 0 };

		write_keys("apid", buf_slice(&text), modes[i]);
		assert_row(i, keys_load("apid", folder, &k, &f) == ERR_CONFIG);
		assert_row(i, strstr(f.what, "by everybody"));
	}
	write_keys("apid", buf_slice(&text), 0640);
	assert_int_equal(keys_load("apid", folder, &k, NULL), OK);
}

static void a_missing_or_oversized_file_is_a_configuration_error(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(10000);
	struct fail f = { 0 };
	struct keys k;

	(void)state;
	assert_int_equal(keys_load("milter", "/nonexistent", &k, &f), ERR_CONFIG);
	assert_int_equal(f.code, ERR_CONFIG);
	while (text.len < 9000)
		buf_add_str(&text, "# padding\n");
	write_keys("milter", buf_slice(&text), 0600);
	assert_int_equal(keys_load("milter", folder, &k, &f), ERR_CONFIG);
	assert_int_equal(f.code, ERR_CONFIG);
}

static void each_program_gets_its_own_keys_only(void **state)
{
	static const struct {
		const char *program;
		bool has[KEY_COUNT];
	} rows[] = {
		{ "milter", { [KEY_SEAL] = true, [KEY_TICKET] = true } },
		{ "deliverd",
		  { [KEY_SEAL] = true,
		    [KEY_TICKET] = true,
		    [KEY_SECRETS] = true,
		    [KEY_MAIL] = true,
		    [KEY_APPROVAL] = true } },
		{ "apid",
		  { [KEY_SECRETS] = true,
		    [KEY_CURSOR] = true,
		    [KEY_MAIL] = true,
		    [KEY_SIGN_IN] = true,
		    [KEY_APPROVAL] = true } },
	};
	struct keys all;

	(void)state;
	keys_derive(secret, &all);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT(4096);
		struct keys k;

		keys_print(rows[i].program, &all, &text);
		write_keys(rows[i].program, buf_slice(&text), 0600);
		assert_row(i, keys_load(rows[i].program, folder, &k, NULL) == OK);
		for (int n = 0; n < KEY_COUNT; n++) {
			assert_row(i, k.has[n] == rows[i].has[n]);
			if (k.has[n])
				assert_slice_row(keys_get(&k, (enum key_name)n),
						 keys_get(&all, (enum key_name)n), i);
		}
	}
}

static void keys_differ_by_purpose_and_by_secret(void **state)
{
	struct keys a, b;

	(void)state;
	keys_derive(secret, &a);
	keys_derive(S("another secret of thirty-two byte"), &b);
	for (int i = 0; i < KEY_COUNT; i++) {
		assert_memory_not_equal(a.key[i], b.key[i], CRYPTO_KEY_LEN);
		for (int k = 0; k < i; k++)
			assert_memory_not_equal(a.key[i], a.key[k], CRYPTO_KEY_LEN);
	}
	keys_wipe(&a);
	assert_false(a.has[KEY_SEAL]);
}

static void credentials_of_systemd_come_first(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(4096);
	struct keys all, k;

	(void)state;
	keys_derive(secret, &all);
	keys_print("milter", &all, &text);
	write_keys("milter", buf_slice(&text), 0600);
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	assert_int_equal(keys_load("milter", "/nonexistent", &k, NULL), OK);
	setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1);
	assert_int_equal(keys_load("milter", folder, &k, NULL), ERR_CONFIG);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static int make_folder(void **state)
{
	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const programs[] = { "milter", "deliverd", "apid" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		unlink(key_path(programs[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(incomplete_and_malformed_files_are_refused),
		cmocka_unit_test(a_file_that_everybody_may_touch_is_refused),
		cmocka_unit_test(a_missing_or_oversized_file_is_a_configuration_error),
		cmocka_unit_test(each_program_gets_its_own_keys_only),
		cmocka_unit_test(keys_differ_by_purpose_and_by_secret),
		cmocka_unit_test(credentials_of_systemd_come_first),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
