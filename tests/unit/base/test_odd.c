/* SPDX-License-Identifier: Apache-2.0 */
/* Characters that lie about the text they stand in. */
#include "common/base/odd.h"
#include "tests/unit/test.h"

static void what_cannot_be_seen_or_moves_a_terminal_is_odd(void **state)
{
	static const uint32_t odd[] = { 0,      7,      8,       0x0b,    '\r',    0x1b,
					0x7f,   0x80,   0x9b,    0x9f,    0xad,    0x61c,
					0x200b, 0x200d, 0x200f,  0x2028,  0x202a,  0x202e,
					0x2060, 0x2066, 0x2069,  0x206f,  0x3164,  0xfe00,
					0xfeff, 0xfffb, 0xe0000, 0xe0041, 0xe007f, 0xe01ef };
	static const uint32_t plain[] = {
		'\t',   '\n',   ' ',    '~',    0xa0,    0xe9,    0x3b1,
		0x5d0,  0x627,  0x200a, 0x2010, 0x2027,  0x202f,  0x2065 + 0x1000,
		0x3042, 0xfe0e, 0xfe0f, 0xfffd, 0x1f600, 0xe1000, 0x10ffff
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		assert_row(i, odd_is(odd[i]));
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		assert_row(i, !odd_is(plain[i]));
}

static void a_text_is_cut_at_the_first_odd_character(void **state)
{
	static const struct {
		struct slice in;
		struct odd_run want;
	} rows[] = {
		{ SLICE_INIT(""), { 0, 0, 0 } },
		{ SLICE_INIT("plain\n\t~"), { 8, 0, 0 } },
		{ SLICE_INIT("\xc3\xa9\xf0\x9f\x98\x80"), { 6, 0, 0 } },
		{ SLICE_INIT("\033[2J"), { 0, 1, 0x1b } },
		{ SLICE_INIT("a\0b"), { 1, 1, 0 } },
		{ SLICE_INIT("ab\xc2\x9bz"), { 2, 2, 0x9b } },
		{ SLICE_INIT("a\xe2\x80\xae"), { 1, 3, 0x202e } },
		{ SLICE_INIT("\xf3\xa0\x81\x81"), { 0, 4, 0xe0041 } },
		{ SLICE_INIT("a\xff"), { 1, 1, 0xfffd } },
		{ SLICE_INIT("a\xe2\x80"), { 1, 1, 0xfffd } },
		{ SLICE_INIT("\xef\xbf\xbd"), { 3, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct odd_run got = odd_next(rows[i].in);

		assert_row(i, got.plain == rows[i].want.plain);
		assert_row(i, got.odd_n == rows[i].want.odd_n);
		assert_row(i, got.odd == rows[i].want.odd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_seen_or_moves_a_terminal_is_odd),
		cmocka_unit_test(a_text_is_cut_at_the_first_odd_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
