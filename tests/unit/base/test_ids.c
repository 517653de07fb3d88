/* SPDX-License-Identifier: Apache-2.0 */
/* Ids are valid, ordered and different, also between threads. */
#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/ids.h"
#include "tests/unit/test.h"

#include <pthread.h>

enum { PER_THREAD = 2000 };

static void malformed_ids_are_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("msg_"),
		SLICE_INIT("00112233445566778899aabbccddeeff"),
		SLICE_INIT("msg_00112233445566778899aabbccddeef"),
		SLICE_INIT("msg_00112233445566778899aabbccddeefff"),
		SLICE_INIT("msg_00112233445566778899AABBCCDDEEFF"),
		SLICE_INIT("msg_00112233445566778899aabbccddeefg"),
		SLICE_INIT("msg_00112233445566778899aabbccddee\0f"),
		SLICE_INIT("MSG_00112233445566778899aabbccddeeff"),
		SLICE_INIT("apk_00112233445566778899aabbccddeeff"),
		SLICE_INIT(" msg_0112233445566778899aabbccddeeff"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, !id_valid(rows[i], ID_PREFIX_MESSAGE));
	assert_true(id_valid(S("msg_00112233445566778899aabbccddeeff"), ID_PREFIX_MESSAGE));
	assert_true(id_valid(S("00112233445566778899aabbccddeeff"), ID_PREFIX_USER));
}

static void a_token_is_sixty_four_small_hex_digits(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("00112233445566778899aabbccddeeff"),
		SLICE_INIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeef"),
		SLICE_INIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeefff"),
		SLICE_INIT("00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"),
		SLICE_INIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddee\0f"),
		SLICE_INIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddee\r\n"),
	};
	char token[TOKEN_HEX_LEN + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, !id_token_valid(rows[i]));
	id_random_hex(TOKEN_HEX_LEN, token);
	assert_true(id_token_valid(slice_str(token)));
}

static void new_ids_are_version_7_uuids_of_now(void **state)
{
	static const char *const prefixes[] = { ID_PREFIX_USER, ID_PREFIX_MESSAGE,
						ID_PREFIX_API_KEY, ID_PREFIX_SECRET,
						ID_PREFIX_EVENT };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = strlen(prefixes[i]);
		uint8_t raw[16];
		char id[ID_MAX];
		int64_t ms = 0;

		id_new(prefixes[i], id);
		assert_row(i, id_valid(slice_str(id), prefixes[i]));
		assert_row(i, id[n + 12] == '7');
		assert_row(i, strchr("89ab", id[n + 16]));
		assert_row(i, hex_decode(slice_of(id + n, 32), raw, 16) == OK);
		for (int k = 0; k < 6; k++)
			ms = ms << 8 | raw[k];
		assert_in_range(ms, clock_now_us() / 1000 - 1000, clock_now_us() / 1000 + 1000);
	}
}

static void ids_sort_by_the_order_they_were_made_in(void **state)
{
	char a[ID_MAX], b[ID_MAX];

	(void)state;
	id_new("", a);
	for (int i = 0; i < 20000; i++) {
		id_new("", b);
		assert_true(memcmp(a, b, 16) < 0); /* by time alone, random digits aside */
		memcpy(a, b, sizeof(a));
	}
}

static void *make_ids(void *arg)
{
	char(*ids)[ID_MAX] = arg;

	for (int i = 0; i < PER_THREAD; i++)
		id_new("", ids[i]);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void ids_of_two_threads_are_all_different(void **state)
{
	static char ids[2 * PER_THREAD][ID_MAX];
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, make_ids, ids), 0);
	make_ids(ids + PER_THREAD);
	pthread_join(other, NULL);
	qsort(ids, 2 * PER_THREAD, ID_MAX, compare);
	for (int i = 1; i < 2 * PER_THREAD; i++)
		assert_int_not_equal(strcmp(ids[i - 1], ids[i]), 0);
}

static void random_digits_have_the_asked_length(void **state)
{
	char a[TOKEN_HEX_LEN + 1], b[TOKEN_HEX_LEN + 1];

	(void)state;
	id_random_hex(TOKEN_HEX_LEN, a);
	id_random_hex(TOKEN_HEX_LEN, b);
	assert_int_equal(strlen(a), TOKEN_HEX_LEN);
	assert_int_equal(strspn(a, "0123456789abcdef"), TOKEN_HEX_LEN);
	assert_string_not_equal(a, b);
	id_random_hex(2, a);
	assert_int_equal(strlen(a), 2);
	id_random_hex(0, a);
	assert_string_equal(a, "");
}

static void shown_prefix_of_an_api_key_is_the_published_one(void **state)
{
	struct slice k = S("e2a_00112233445566778899aabbccddeeff"
			   "00112233445566778899aabbccddeeff");

	(void)state;
	assert_int_equal(k.n, sizeof(API_KEY_PREFIX) - 1 + TOKEN_HEX_LEN);
	assert_slice(slice_sub(k, 0, TOKEN_PREFIX_LEN), S("e2a_00112233"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_ids_are_refused),
		cmocka_unit_test(a_token_is_sixty_four_small_hex_digits),
		cmocka_unit_test(new_ids_are_version_7_uuids_of_now),
		cmocka_unit_test(ids_sort_by_the_order_they_were_made_in),
		cmocka_unit_test(ids_of_two_threads_are_all_different),
		cmocka_unit_test(random_digits_have_the_asked_length),
		cmocka_unit_test(shown_prefix_of_an_api_key_is_the_published_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
