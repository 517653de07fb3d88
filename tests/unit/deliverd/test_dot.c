/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "deliverd/dot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void add(void *arg, struct slice bytes)
{
	buf_add_slice(arg, bytes);
}

static const struct {
	const char *in, *want;
	const char *rest; /* behind the end of the data; NULL: the end was not seen */
} rows[] = {
	{ ".\r\n", "", "" },
	{ "a\r\n.\r\nQUIT", "a\r\n", "QUIT" },
	{ "..\r\n.\r\n", ".\r\n", "" },
	{ "..a\r\n.b\r\n.\r\n", ".a\r\nb\r\n", "" },
	{ "\r\n\r\n.\r\n", "\r\n\r\n", "" },
	/* what smuggles a second mail past a careless reader is content */
	{ "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", "" },
	{ "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", "" },
	{ "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", "" },
	{ "a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", "" },
	{ "a\r\r\n.\r\n", "a\r\r\n", "" },
	{ "a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", "" },
	{ "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "" },
	{ "a\r\n\r.\r\n.\r\n", "a\r\n\r.\r\n", "" },
	{ "a\r\n.", "a\r\n", NULL },
	{ "a\r\n.\r", "a\r\n", NULL },
	{ "a\r", "a", NULL },
	{ "", "", NULL },
};

static void check(const char *in, size_t step, const char *want, const char *rest)
{
	AUTO(buf_release) struct buf out = BUF_INIT(1024);
	enum dot_state state = DOT_LINE_START;
	struct slice all = slice_str(in), piece = S("");
	size_t at = 0;

	while (at < all.n && state != DOT_END) {
		piece = slice_sub(all, at, at + step);
		at += piece.n;
		dot_read(&state, &piece, add, &out);
		at -= piece.n;
	}
	assert_string_equal(buf_cstr(&out), want);
	assert_int_equal(state == DOT_END, rest != NULL);
	if (rest)
		assert_string_equal(in + at, rest);
}

static void only_crlf_dot_crlf_ends_the_data(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].in, 1000, rows[i].want, rows[i].rest);
}

static void data_may_be_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 6; step++)
			check(rows[i].in, step, rows[i].want, rows[i].rest);
}

static void nul_bytes_pass(void **state)
{
	AUTO(buf_release) struct buf out = BUF_INIT(64);
	enum dot_state s = DOT_LINE_START;
	struct slice in = slice_of("a\0b\r\n.\r\n", 8);

	(void)state;
	dot_read(&s, &in, add, &out);
	assert_int_equal(s, DOT_END);
	assert_true(slice_eq(buf_slice(&out), slice_of("a\0b\r\n", 5)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_crlf_dot_crlf_ends_the_data),
		cmocka_unit_test(data_may_be_cut_anywhere),
		cmocka_unit_test(nul_bytes_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
