/* SPDX-License-Identifier: Apache-2.0 */
/* Header sections as they arrive, and the spellings a forger may choose. */
#include "common/mail/header.h"

#include "common/base/buf.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_text(struct slice got, struct slice want)
{
	if (!slice_eq(got, want))
		fail_msg("got \"%.*s\", want \"%.*s\"", SLICE_ARGS(got), SLICE_ARGS(want));
}

static void a_section_is_split_into_fields_and_body(void **state)
{
	static const struct {
		struct slice message;
		size_t n, bad;
		const char *first_name;
		const char *first_value;
		struct slice body;
	} rows[] = {
		{ SLICE_INIT("A: 1\r\nB: 2\r\n\r\nbody\r\n"), 2, 0, "A", " 1",
		  SLICE_INIT("body\r\n") },
		{ SLICE_INIT("A: 1\nB: 2\n\nbody\n"), 2, 0, "A", " 1", SLICE_INIT("body\n") },
		{ SLICE_INIT("A: 1\r\n\tx\r\n y\r\nB:\r\n\r\n"), 2, 0, "A", " 1\r\n\tx\r\n y",
		  SLICE_INIT("") },
		{ SLICE_INIT("A:1\r\n \r\nB:2\r\n\r\nz"), 2, 0, "A", "1\r\n ", SLICE_INIT("z") },
		{ SLICE_INIT("A:"), 1, 0, "A", "", SLICE_INIT("") },
		{ SLICE_INIT("A: no end"), 1, 0, "A", " no end", SLICE_INIT("") },
		{ SLICE_INIT("\r\nA: body\r\n"), 0, 0, NULL, NULL, SLICE_INIT("A: body\r\n") },
		{ SLICE_INIT(" first\r\nA: 1\r\n\r\nb"), 1, 1, "A", " 1", SLICE_INIT("b") },
		{ SLICE_INIT("no colon\r\n and more\r\nA: 1\r\n\r\nb"), 1, 2, "A", " 1",
		  SLICE_INIT("b") },
		{ SLICE_INIT("From a@b.example Mon Jan  1 00:00:00 2026\r\nA: 1\r\n\r\nb"), 1, 1,
		  "A", " 1", SLICE_INIT("b") },
		{ SLICE_INIT(">From a@b.example 00:00\r\nA: 1\r\n\r\nb"), 1, 1, "A", " 1",
		  SLICE_INIT("b") },
		{ SLICE_INIT(": empty\r\nA: 1\r\n\r\nb"), 1, 1, "A", " 1", SLICE_INIT("b") },
		{ SLICE_INIT("A\0B: 1\r\nC: 1\r\n\r\nb"), 1, 1, "C", " 1", SLICE_INIT("b") },
		{ SLICE_INIT("A b: 1\r\n\r\n"), 0, 1, NULL, NULL, SLICE_INIT("") },
		{ SLICE_INIT("A: 1\r\n\rB: 2\r\n\r\nb"), 1, 1, "A", " 1", SLICE_INIT("b") },
		{ SLICE_INIT("A: 1\r\n\n\r\nb"), 1, 0, "A", " 1", SLICE_INIT("\r\nb") },
		{ SLICE_INIT(""), 0, 0, NULL, NULL, SLICE_INIT("") },
		{ SLICE_INIT("\n"), 0, 0, NULL, NULL, SLICE_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct slice m = rows[i].message;
		struct header h;

		header_parse(m, &a, &h);
		assert_int_equal(h.n, rows[i].n);
		assert_int_equal(h.bad, rows[i].bad);
		assert_false(h.limited);
		if (rows[i].first_name) {
			assert_text(h.v[0].name, slice_str(rows[i].first_name));
			assert_text(h.v[0].value, slice_str(rows[i].first_value));
		}
		assert_text(slice_sub(m, h.body, m.n), rows[i].body);
	}
}

static void raw_fields_follow_each_other_without_gaps(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice m = S("A: 1\r\n\tx\r\nB : 2\nC:\r\n\r\nbody");
	struct header h;

	(void)state;
	header_parse(m, &a, &h);
	assert_int_equal(h.n, 3);
	assert_text(h.v[0].raw, S("A: 1\r\n\tx\r\n"));
	assert_text(h.v[1].raw, S("B : 2\n"));
	assert_text(h.v[1].name, S("B"));
	assert_text(h.v[2].raw, S("C:\r\n"));
	assert_ptr_equal(h.v[2].raw.p + h.v[2].raw.n + 2, m.p + h.body);
}

static void what_readers_disagree_on_is_marked_odd(void **state)
{
	static const struct {
		struct slice message;
		bool want;
	} rows[] = {
		{ SLICE_INIT("A: 1\r\n\r\n"), false },
		{ SLICE_INIT("A: 1\n\ttab\n\n"), false },
		{ SLICE_INIT("A: caf\xe9 \xc3\xa9\r\n\r\n"), false },
		{ SLICE_INIT("A : 1\r\n\r\n"), true },
		{ SLICE_INIT("A\t: 1\r\n\r\n"), true },
		{ SLICE_INIT("A: 1\0 2\r\n\r\n"), true },
		{ SLICE_INIT("A: 1\rFrom: x@y\r\n\r\n"), true },
		{ SLICE_INIT("A: 1\r\n x\r\r\n\r\n"), true },
		{ SLICE_INIT("A: 1\r"), true },
		{ SLICE_INIT("A\xc3\xa9: 1\r\n\r\n"), true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct header h;

		header_parse(rows[i].message, &a, &h);
		assert_int_equal(h.n, 1);
		assert_int_equal(h.v[0].odd, rows[i].want);
	}
}

static void limits_cost_fields_but_not_the_body(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(4 << 20);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct header h;

	(void)state;
	for (int i = 0; i <= HEADER_FIELDS_MAX; i++)
		buf_add_str(&m, "A: 1\r\n folded\r\n");
	buf_add_str(&m, "\r\nbody");
	header_parse(buf_slice(&m), &a, &h);
	assert_int_equal(h.n, HEADER_FIELDS_MAX);
	assert_true(h.limited);
	assert_text(h.v[h.n - 1].value, S(" 1\r\n folded"));
	assert_text(slice_sub(buf_slice(&m), h.body, m.len), S("body"));

	buf_reset(&m);
	buf_add_str(&m, "A: 1\r\nB: ");
	while (m.len < HEADER_BYTES_MAX)
		buf_add_str(&m, "0123456789");
	buf_add_str(&m, "\r\nC: 3\r\n\r\nbody");
	header_parse(buf_slice(&m), &a, &h);
	assert_int_equal(h.n, 1);
	assert_true(h.limited);
	assert_text(slice_sub(buf_slice(&m), h.body, m.len), S("body"));
}

static void a_header_of_100_kb_is_read_whole(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(4 << 20);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct header h;

	(void)state;
	buf_add_str(&m, "To: a@b.example");
	while (m.len < 100 * 1024)
		buf_add_str(&m, ",\r\n\ta@b.example");
	buf_add_str(&m, "\r\n\r\n");
	header_parse(buf_slice(&m), &a, &h);
	assert_int_equal(h.n, 1);
	assert_false(h.limited);
	assert_int_equal(h.v[0].raw.n, m.len - 2);
}

static void names_are_found_without_regard_to_case(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct header h;

	(void)state;
	header_parse(S("from: 1\r\nFROM: 2\r\nFrom : 3\r\nX-From: 4\r\n\r\n"), &a, &h);
	assert_int_equal(header_count(&h, S("From")), 3);
	assert_text(header_first(&h, S("From"))->value, S(" 1"));
	assert_null(header_first(&h, S("To")));
	assert_int_equal(header_count(&h, S("To")), 0);
}

static void folds_become_one_space(void **state)
{
	static const struct {
		const char *value, *want;
	} rows[] = {
		{ " Hello", "Hello" },
		{ " a\r\n\tb", "a b" },
		{ " a  b \r\n   c\r\n ", "a  b c" },
		{ "\r\n a", "a" },
		{ "a\n b", "a b" },
		{ "a\rb", "a b" },
		{ "", "" },
		{ " \r\n \r\n ", "" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_text(header_unfold(&a, slice_str(rows[i].value)), slice_str(rows[i].want));
}

static void message_ids_are_taken_out_of_their_surroundings(void **state)
{
	static const struct {
		const char *value;
		size_t n;
		const char *first, *last;
	} rows[] = {
		{ " <a@b>", 1, "<a@b>", "<a@b>" },
		{ "<a@b>\r\n\t<c@d> <e@f>", 3, "<a@b>", "<e@f>" },
		{ "<a@b><c@d>", 2, "<a@b>", "<c@d>" },
		{ "(<x@y> (nested <z@z>)) <a@b>", 1, "<a@b>", "<a@b>" },
		{ "Your message of today <a@b> (x", 1, "<a@b>", "<a@b>" },
		{ "<a b@c> <d@e>", 1, "<d@e>", "<d@e>" },
		{ "<<a@b>", 1, "<a@b>", "<a@b>" },
		{ "<> <", 0, NULL, NULL },
		{ "a@b", 0, NULL, NULL },
		{ "", 0, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice ids[8];
		size_t n = header_msgids(slice_str(rows[i].value), ids, ARRAY_LEN(ids));

		assert_int_equal(n, rows[i].n);
		if (n) {
			assert_text(ids[0], slice_str(rows[i].first));
			assert_text(ids[n - 1], slice_str(rows[i].last));
		}
	}
	assert_int_equal(header_msgids(S("<a@b><c@d><e@f>"), (struct slice[2]){ 0 }, 2), 2);
}

static void every_spelling_of_the_private_name_space_is_private(void **state)
{
	static const struct {
		struct slice name;
		bool want;
	} rows[] = {
		{ SLICE_INIT("X-E2A-Auth-Verified"), true },
		{ SLICE_INIT("x-e2a-verdict"), true },
		{ SLICE_INIT("X-e2a-Anything"), true },
		{ SLICE_INIT("X_E2A_Auth_Verified"), true },
		{ SLICE_INIT("X-E2A_Auth"), true },
		{ SLICE_INIT("X.E2A.Auth"), true },
		{ SLICE_INIT("X--E2A-Auth"), true },
		{ SLICE_INIT("-X-E2A-Auth"), true },
		{ SLICE_INIT("X-E2A-"), true },
		{ SLICE_INIT("X-E2A"), true },
		{ SLICE_INIT(" X-E2A-Auth \t"), true },
		{ SLICE_INIT("X -E2A -Auth"), true },
		{ SLICE_INIT("X\0-E2A-Auth"), true },
		{ SLICE_INIT("X\xe2\x80\x90"
			     "E2A\xe2\x80\x90"
			     "Auth"),
		  true },
		{ SLICE_INIT("X-E2A\xc2\xad-Auth"), true },
		{ SLICE_INIT("X-E2AB-Auth"), false },
		{ SLICE_INIT("X-E2-Auth"), false },
		{ SLICE_INIT("XE2A-Auth"), false },
		{ SLICE_INIT("E2A-Auth"), false },
		{ SLICE_INIT("Y-X-E2A-Auth"), false },
		{ SLICE_INIT("X-"), false },
		{ SLICE_INIT("X"), false },
		{ SLICE_INIT("Subject"), false },
		{ SLICE_INIT(""), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (header_is_private(rows[i].name) != rows[i].want)
			fail_msg("%.*s", SLICE_ARGS(rows[i].name));
}

static void every_spelling_of_our_authserv_id_is_ours(void **state)
{
	static const struct {
		const char *value;
		bool want;
	} rows[] = {
		{ " mx.example.com; spf=pass", true },
		{ "mx.example.com;spf=pass", true },
		{ "mx.example.com", true },
		{ " MX.Example.COM; spf=pass", true },
		{ " mx.example.com.; spf=pass", true },
		{ " mx.example.com 1; spf=pass", true },
		{ " mx.example.com/1; spf=pass", true },
		{ "\r\n\tmx.example.com\r\n\t; spf=pass", true },
		{ "\n mx.example.com;", true },
		{ " (a comment) mx.example.com (b); spf=pass", true },
		{ " (a (nested ; one) \\) ) mx.example.com; spf=pass", true },
		{ " mx(a).example(b).com; spf=pass", true },
		{ " mx . example\r\n . com; spf=pass", true },
		{ " \"mx.example.com\"; spf=pass", true },
		{ " \"mx\\.example.c\\om\"; spf=pass", true },
		{ " mx.\"example\".com; spf=pass", true },
		{ " =?utf-8?q?mx=2Eexample=2Ecom=3B?= spf=pass", true },
		{ " mx.ex=?us-ascii?q?ample.com?=; spf=pass", true },
		{ " \vmx.example.com\f; spf=pass", true },
		{ " mx.example.com\x1f\x7f; spf=pass", true },
		{ " \xa0mx.example.com; spf=pass", true },
		{ " \xc2\xa0mx.example.com\xe2\x80\x8b; spf=pass", true },
		{ " mx.\xe2\x80\x8b"
		  "example.com; spf=pass",
		  true },
		{ " \xa0other.example.com; spf=pass", false },
		{ " other.example.com; spf=pass", false },
		{ " mx.example.com.evil.example; spf=pass", false },
		{ " notmx.example.com; spf=pass", false },
		{ " spf=pass smtp.mailfrom=mx.example.com; mx.example.com", false },
		{ " other.example; dkim=pass (=?utf-8?q?x?=)", false },
		{ " (mx.example.com) other.example; spf=pass", false },
		{ " (mx.example.com", false },
		{ "", false },
		{ ";", false },
	};
	struct slice id = S("mx.example.com");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (header_has_authserv_id(slice_str(rows[i].value), id) != rows[i].want)
			fail_msg("%s", rows[i].value);
}

static void the_authserv_id_is_found_in_either_idna_form(void **state)
{
	struct slice u = S("mx.b\xc3\xbc"
			   "cher.example"),
		     a = S("mx.xn--bcher-kva.example");

	(void)state;
	assert_true(header_has_authserv_id(S(" mx.xn--bcher-kva.example; spf=pass"), u));
	assert_true(header_has_authserv_id(S(" mx.b\xc3\xbc"
					     "cher.example; spf=pass"),
					   a));
	assert_true(header_has_authserv_id(S(" MX.B\xc3\x9c"
					     "CHER.example.; spf=pass"),
					   a));
	assert_true(header_has_authserv_id(S(" mx.bu\xcc\x88"
					     "cher.example; spf=pass"),
					   a));
	assert_true(header_has_authserv_id(S(" mx\xe3\x80\x82"
					     "b\xc3\xbc"
					     "cher.example; x"),
					   a));
	assert_false(header_has_authserv_id(S(" mx.bucher.example; spf=pass"), a));
	assert_true(header_has_authserv_id(S(" localhost; spf=pass"), S("LocalHost")));
	assert_true(header_has_authserv_id(S(" mx_1.example; spf=pass"), S("mx_1.example.")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_is_split_into_fields_and_body),
		cmocka_unit_test(raw_fields_follow_each_other_without_gaps),
		cmocka_unit_test(what_readers_disagree_on_is_marked_odd),
		cmocka_unit_test(limits_cost_fields_but_not_the_body),
		cmocka_unit_test(a_header_of_100_kb_is_read_whole),
		cmocka_unit_test(names_are_found_without_regard_to_case),
		cmocka_unit_test(folds_become_one_space),
		cmocka_unit_test(message_ids_are_taken_out_of_their_surroundings),
		cmocka_unit_test(every_spelling_of_the_private_name_space_is_private),
		cmocka_unit_test(every_spelling_of_our_authserv_id_is_ours),
		cmocka_unit_test(the_authserv_id_is_found_in_either_idna_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
