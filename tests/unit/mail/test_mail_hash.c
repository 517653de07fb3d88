/* SPDX-License-Identifier: Apache-2.0 */
/* What hashes alike on both sides of Postfix, and that nothing else does. */
#include "common/mail/mail_hash.h"

#include "common/base/buf.h"
#include "tests/unit/test.h"

static void hash_of_one(struct slice name, struct slice value, uint8_t ret[32])
{
	struct mail_hash *h = mail_hash_new();
	uint8_t body[32];

	mail_hash_field(h, name, value);
	mail_hash_finish(h, ret, body);
}

static void add_crlf(struct buf *b, struct slice lf_text)
{
	for (size_t i = 0; i < lf_text.n; i++) {
		if (lf_text.p[i] == '\n')
			buf_add_char(b, '\r');
		buf_add_char(b, lf_text.p[i]);
	}
}

static void a_field_of_a_megabyte_hashes_alike_on_both_sides(void **state)
{
	AUTO(buf_release) struct buf lf = BUF_INIT(2 << 20);
	AUTO(buf_release) struct buf crlf = BUF_INIT(2 << 20);
	uint8_t a[32], b[32];

	(void)state;
	while (lf.len < 1 << 20)
		buf_add_str(&lf, " 0123456789\n\tx");
	add_crlf(&crlf, buf_slice(&lf));
	hash_of_one(S("X"), buf_slice(&lf), a);
	hash_of_one(S("X"), buf_slice(&crlf), b);
	assert_memory_equal(a, b, sizeof(a));
	crlf.p[crlf.len - 1] = 'y';
	hash_of_one(S("X"), buf_slice(&crlf), b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void only_cr_lf_and_lf_hash_alike(void **state)
{
	static const struct {
		struct slice a, b;
		bool same;
	} rows[] = {
		{ SLICE_INIT(" a\n\tb"), SLICE_INIT(" a\r\n\tb"), true },
		{ SLICE_INIT("\n\n"), SLICE_INIT("\r\n\r\n"), true },
		{ SLICE_INIT(" a"), SLICE_INIT("a"), false },
		{ SLICE_INIT(" a"), SLICE_INIT("  a"), false },
		{ SLICE_INIT(" a"), SLICE_INIT(" a "), false },
		{ SLICE_INIT(" a"), SLICE_INIT(" A"), false },
		{ SLICE_INIT(" a\n\tb"), SLICE_INIT(" a\n b"), false },
		{ SLICE_INIT(" a\n\tb"), SLICE_INIT(" a\tb"), false },
		{ SLICE_INIT(" a\rb"), SLICE_INIT(" ab"), false },
		{ SLICE_INIT(" a\r"), SLICE_INIT(" a"), false },
		{ SLICE_INIT(" a\0b"), SLICE_INIT(" a"), false },
		{ SLICE_INIT(""), SLICE_INIT(" "), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t a[32], b[32];

		hash_of_one(S("X"), rows[i].a, a);
		hash_of_one(S("X"), rows[i].b, b);
		assert_int_equal(memcmp(a, b, sizeof(a)) == 0, rows[i].same);
	}
}

static void no_field_runs_into_the_next(void **state)
{
	uint8_t one[32], two[32], body[32];
	struct mail_hash *h = mail_hash_new();

	(void)state;
	hash_of_one(S("A"), S(" 1\nB: 2"), one);
	mail_hash_field(h, S("A"), S(" 1"));
	mail_hash_field(h, S("B"), S(" 2"));
	mail_hash_finish(h, two, body);
	assert_memory_not_equal(one, two, sizeof(one));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_of_a_megabyte_hashes_alike_on_both_sides),
		cmocka_unit_test(only_cr_lf_and_lf_hash_alike),
		cmocka_unit_test(no_field_runs_into_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
