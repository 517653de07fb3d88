/* SPDX-License-Identifier: Apache-2.0 */
/* Tags as text and back; that a seal binds them is the tests' of those who seal. */
#include "common/mail/tags.h"

#include "common/base/crypto.h"
#include "tests/unit/test.h"

enum colour { RED, GREEN, COLOURS };

static const char *const colours[COLOURS] = { "red", "green" };

struct thing {
	struct slice text;
	int64_t number;
	bool flag;
	enum colour colour;
	uint8_t digest[SHA256_LEN];
};

static const struct tag table[] = {
	{ "t", TAG_TEXT, offsetof(struct thing, text), NULL, 0 },
	{ "n", TAG_INT, offsetof(struct thing, number), NULL, 0 },
	{ "f", TAG_BOOL, offsetof(struct thing, flag), NULL, 0 },
	{ "c", TAG_WORD, offsetof(struct thing, colour), colours, COLOURS },
	{ "d", TAG_DIGEST, offsetof(struct thing, digest), NULL, 0 },
};

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static enum err read_thing(struct slice text, struct arena *a, struct thing *ret)
{
	enum err e = tags_read(table, ARRAY_LEN(table), &text, a, ret);

	return e == OK && text.n > 0 ? ERR_INPUT : e;
}

static void what_was_written_is_what_is_read(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT(4096);
	AUTO(buf_release) struct buf value = BUF_INIT(4096);
	struct thing in = { S("a b;c=\r\n%\xff\0z"), -7, true, GREEN, { 1, 2, 3 } }, out = { 0 };
	const uint8_t seal[32] = { 0xff, 0xfe };
	struct slice tags, sealed;

	(void)state;
	tags_add(table, ARRAY_LEN(table), &in, &text);
	tags_write("X-Thing", buf_slice(&text), seal, &value);
	assert_int_equal(tags_split(buf_slice(&value), &a, &tags, &sealed), OK);
	assert_slice(tags, buf_slice(&text));
	assert_true(tags_seal_is(sealed, seal));
	assert_int_equal(read_thing(tags, &a, &out), OK);
	assert_slice(out.text, in.text);
	assert_int_equal(out.number, in.number);
	assert_int_equal(out.flag, in.flag);
	assert_int_equal(out.colour, in.colour);
	assert_memory_equal(out.digest, in.digest, sizeof(in.digest));
}

static void only_these_tags_in_this_order_are_read(void **state)
{
	static const struct {
		const char *text;
		enum err want;
	} rows[] = {
		{ "t=;n=0;f=0;c=red;d=" HEX64 ";", OK },
		{ "t=a=b;n=-9;f=1;c=green;d=" HEX64 ";", OK },
		{ "n=0;t=;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=0;f=0;c=red;", ERR_INPUT },
		{ "t=;n=0;f=0;c=red;d=" HEX64 ";x=1;", ERR_INPUT },
		{ "T=;n=0;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t;n=0;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=%4;n=0;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=%zz;n=0;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=1 ;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=99999999999999999999;f=0;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=0;f=2;c=red;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=0;f=0;c=blue;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=0;f=0;c=;d=" HEX64 ";", ERR_INPUT },
		{ "t=;n=0;f=0;c=red;d=" HEX64 "00;", ERR_INPUT },
		{ "t=;n=0;f=0;c=red;d=00;", ERR_INPUT },
		{ "", ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct thing out;

		assert_row(i, read_thing(slice_str(rows[i].text), &a, &out) == rows[i].want);
	}
}

static void a_value_is_tags_and_a_seal(void **state)
{
	static const struct {
		struct slice value;
		enum err want;
		const char *text, *seal;
	} rows[] = {
		{ SLICE_INIT("a=1;s=x"), OK, "a=1;", "x" },
		{ SLICE_INIT(" a=1;\n\tb=\r\n 2;\ts= x y "), OK, "a=1;b=2;", "xy" },
		{ SLICE_INIT(";s="), OK, ";", "" },
		{ SLICE_INIT("s=x"), ERR_INPUT, "", "" },
		{ SLICE_INIT("a=1;"), ERR_INPUT, "", "" },
		{ SLICE_INIT("a=1;S=x"), ERR_INPUT, "", "" },
		{ SLICE_INIT("a=1;s=x;"), ERR_INPUT, "", "" },
		{ SLICE_INIT(""), ERR_INPUT, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice text = S(""), seal = S("");

		assert_row(i, tags_split(rows[i].value, &a, &text, &seal) == rows[i].want);
		assert_slice_row(text, slice_str(rows[i].text), i);
		assert_slice_row(seal, slice_str(rows[i].seal), i);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_what_is_read),
		cmocka_unit_test(only_these_tags_in_this_order_are_read),
		cmocka_unit_test(a_value_is_tags_and_a_seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
