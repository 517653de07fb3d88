/* SPDX-License-Identifier: Apache-2.0 */
/* Recipients as callers write them, and what becomes of them. */
#include "apid/recipients.h"

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "tests/unit/test.h"

enum { LIST_MAX = 8, MAX = 50 };

static struct recipients_list list_of(const struct slice *v)
{
	size_t n = 0;

	while (n < LIST_MAX && v[n].p)
		n++;
	return (struct recipients_list){ v, n };
}

static struct recipients_asked asked_of(const struct slice *to, const struct slice *cc,
					const struct slice *bcc)
{
	return (struct recipients_asked){
		.to = list_of(to),
		.cc = list_of(cc),
		.bcc = list_of(bcc),
		.agent = S("bot@x.io"),
		.from_domain = S("s.io"),
		.max = MAX,
	};
}

static struct slice joined(const struct recipients_list *l, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1 << 20);

	for (size_t i = 0; i < l->n; i++) {
		buf_add_str(&b, i ? " " : "");
		buf_add_slice(&b, l->v[i]);
	}
	return arena_slice(a, buf_slice(&b));
}

static void three_lists_become_one_envelope(void **state)
{
	static const struct {
		struct slice asked_to[LIST_MAX], asked_cc[LIST_MAX], asked_bcc[LIST_MAX];
		const char *to, *cc, *bcc;
	} rows[] = {
		/* what clients have always seen */
		{ { SLICE_INIT("Alice <A@B.c>"), SLICE_INIT("bot@X.io") },
		  { SLICE_INIT("a@b.c"), SLICE_INIT("agent@s.io"), SLICE_INIT("d@e.f") },
		  { SLICE_INIT("D@e.f"), SLICE_INIT("g@h.i") },
		  "a@b.c",
		  "d@e.f",
		  "g@h.i" },
		{ { SLICE_INIT("a@b.c") }, { { 0 } }, { { 0 } }, "a@b.c", "", "" },
		{ { { 0 } }, { SLICE_INIT("a@b.c") }, { { 0 } }, "", "a@b.c", "" },
		{ { SLICE_INIT(" a@b.c\t"), SLICE_INIT(""), SLICE_INIT("  ") },
		  { SLICE_INIT(" ") },
		  { SLICE_INIT("") },
		  "a@b.c",
		  "",
		  "" },
		/* the first of several stays, To beats Cc beats Bcc */
		{ { SLICE_INIT("b@b.c"), SLICE_INIT("A@b.c"), SLICE_INIT("a@B.C"),
		    SLICE_INIT("B@b.c") },
		  { SLICE_INIT("c@b.c"), SLICE_INIT("a@b.c"), SLICE_INIT("C@b.c") },
		  { SLICE_INIT("c@b.c"), SLICE_INIT("b@b.c"), SLICE_INIT("d@b.c") },
		  "b@b.c a@b.c",
		  "c@b.c",
		  "d@b.c" },
		/* the sender, under all of its addresses */
		{ { SLICE_INIT("Bot <BOT@x.IO>"), SLICE_INIT("a@b.c") },
		  { SLICE_INIT("bot+tag@x.io"), SLICE_INIT("Agent@S.io"),
		    SLICE_INIT("agent+1@s.io") },
		  { SLICE_INIT("bot@x.io"), SLICE_INIT("bot@y.x.io"), SLICE_INIT("agent@x.io") },
		  "a@b.c",
		  "",
		  "bot@y.x.io agent@x.io" },
		/* names are dropped */
		{ { SLICE_INIT("\"Smith, Alice\" <a@b.c>"), SLICE_INIT("d@e.f (Doris)"),
		    SLICE_INIT("J\xc3\xbcrgen <j@b.c>"), SLICE_INIT("=?utf-8?q?=FF?= <k@b.c>"),
		    SLICE_INIT("<l@b.c>"), SLICE_INIT("\"plain\"@b.c") },
		  { { 0 } },
		  { { 0 } },
		  "a@b.c d@e.f j@b.c k@b.c l@b.c plain@b.c",
		  "",
		  "" },
		/* one form of a domain */
		{ { SLICE_INIT("a@B\xc3\x9c"
			       "CHER.example"),
		    SLICE_INIT("a@xn--bcher-kva.example") },
		  { SLICE_INIT("A@b\xc3\xbc"
			       "cher.EXAMPLE") },
		  { { 0 } },
		  "a@xn--bcher-kva.example",
		  "",
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
		struct recipients_asked asked =
			asked_of(rows[i].asked_to, rows[i].asked_cc, rows[i].asked_bcc);
		struct recipients got;

		assert_row(i, recipients_normalise(&asked, &a, &got, &reason) == OK);
		assert_slice_row(joined(&got.to, &a), slice_str(rows[i].to), i);
		assert_slice_row(joined(&got.cc, &a), slice_str(rows[i].cc), i);
		assert_slice_row(joined(&got.bcc, &a), slice_str(rows[i].bcc), i);
		assert_int_equal(got.n, got.to.n + got.cc.n + got.bcc.n);
		assert_ptr_equal(got.to.v, got.v);
		assert_ptr_equal(got.cc.v, got.v + got.to.n);
		assert_ptr_equal(got.bcc.v, got.cc.v + got.cc.n);
		assert_int_equal(reason.len, 0);
	}
}

static void a_test_mail_may_go_to_its_sender(void **state)
{
	static const struct slice to[LIST_MAX] = { SLICE_INIT("Bot@x.io") };
	static const struct slice none[LIST_MAX];
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
	struct recipients_asked asked = asked_of(to, none, none);
	struct recipients got;

	(void)state;
	assert_int_equal(recipients_normalise(&asked, &a, &got, &reason), ERR_INPUT);
	assert_slice(buf_slice(&reason), S("no valid recipients"));
	asked.keep_own = true;
	assert_int_equal(recipients_normalise(&asked, &a, &got, &reason), OK);
	assert_slice(joined(&got.to, &a), S("bot@x.io"));
}

static void no_from_domain_is_no_address(void **state)
{
	static const struct slice to[LIST_MAX] = { SLICE_INIT("agent@s.io") };
	static const struct slice none[LIST_MAX];
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
	struct recipients_asked asked = asked_of(to, none, none);
	struct recipients got;

	(void)state;
	asked.from_domain = S("");
	assert_int_equal(recipients_normalise(&asked, &a, &got, &reason), OK);
	assert_slice(joined(&got.to, &a), S("agent@s.io"));
}

static void refusals_name_the_list_and_the_input(void **state)
{
	static const struct {
		struct slice asked_to[LIST_MAX], asked_cc[LIST_MAX], asked_bcc[LIST_MAX];
		const char *reason;
	} rows[] = {
		{ { { 0 } }, { { 0 } }, { { 0 } }, "no valid recipients" },
		{ { SLICE_INIT(" ") }, { { 0 } }, { { 0 } }, "no valid recipients" },
		{ { { 0 } }, { { 0 } }, { SLICE_INIT("a@b.c") }, "no valid recipients" },
		{ { SLICE_INIT("bot@x.io") },
		  { SLICE_INIT("agent@s.io") },
		  { SLICE_INIT("a@b.c") },
		  "no valid recipients" },
		{ { SLICE_INIT(" alice ") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"alice\": no address found" },
		{ { SLICE_INIT("a@b.c") },
		  { SLICE_INIT("alice") },
		  { { 0 } },
		  "invalid CC address: \"alice\": no address found" },
		{ { SLICE_INIT("a@b.c") },
		  { { 0 } },
		  { SLICE_INIT("alice@") },
		  "invalid BCC address: \"alice@\": no address found" },
		{ { SLICE_INIT("a@b.c, d@e.f") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@b.c, d@e.f\": more than one address" },
		{ { SLICE_INIT("G: a@b.c;") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"G: a@b.c;\": more than one address" },
		{ { SLICE_INIT("a..b@c.d") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a..b@c.d\": not in the form of RFC 5322" },
		{ { SLICE_INIT("a@b.c <d@e.f>") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@b.c <d@e.f>\": not in the form of RFC 5322" },
		{ { SLICE_INIT("a@localhost") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@localhost\": not a valid domain name" },
		{ { SLICE_INIT("a@[192.0.2.1]") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@[192.0.2.1]\": not a valid domain name" },
		{ { SLICE_INIT("a@192.0.2.1") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@192.0.2.1\": not a valid domain name" },
		{ { SLICE_INIT("\"q q\"@b.c") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"\\\"q q\\\"@b.c\": not ASCII, too long, or in need of "
		  "quotes" },
		{ { SLICE_INIT("j\xc3\xbcrgen@b.c") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"j\xc3\xbcrgen@b.c\": not ASCII, too long, or in need of "
		  "quotes" },
		{ { SLICE_INIT("a@b.c\r\nBcc: d@e.f") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@b.c\\x0d\\x0aBcc: d@e.f\": control character" },
		{ { SLICE_INIT("a@b.c\n") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@b.c\\x0a\": control character" },
		{ { SLICE_INIT("\r") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"\\x0d\": control character" },
		{ { SLICE_INIT("a@b.c\0") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: \"a@b.c\\x00\": control character" },
		{ { SLICE_INIT("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xff\x7f\\") },
		  { { 0 } },
		  { { 0 } },
		  "invalid To address: "
		  "\"\\xc2\\x85\\xe2\\x80\\xa8\\xe2\\x80\\xa9\\xff\\x7f\\\\\": "
		  "control character" },
		/* the first that is wrong, even where another list would be empty */
		{ { SLICE_INIT("bot@x.io") },
		  { SLICE_INIT("x") },
		  { SLICE_INIT("y") },
		  "invalid CC address: \"x\": no address found" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
		struct recipients_asked asked =
			asked_of(rows[i].asked_to, rows[i].asked_cc, rows[i].asked_bcc);
		struct recipients got = { 0 };

		assert_row(i, recipients_normalise(&asked, &a, &got, &reason) == ERR_INPUT);
		assert_slice_row(buf_slice(&reason), slice_str(rows[i].reason), i);
		assert_null(got.v);
	}
}

/* n times the same address, or n different ones. */
static struct recipients_list many(size_t n, bool same, struct arena *a)
{
	struct slice *v = arena_calloc(a, n, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = slice_str(arena_printf(a, "user%zu@b.c", same ? 0 : i));
	return (struct recipients_list){ v, n };
}

static void the_ceiling_counts_what_is_left(void **state)
{
	static const struct {
		size_t to, cc, bcc;
		bool same, fits;
	} rows[] = {
		{ 50, 0, 0, false, true },     { 51, 0, 0, false, false },
		{ 50, 50, 50, false, true }, /* the same fifty */
		{ 1, 0, 51, false, false },    { 0, 51, 0, false, false },
		{ 9000, 1000, 0, true, true }, { 9000, 1000, 1, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
		struct recipients_asked asked = {
			.to = many(rows[i].to, rows[i].same, &a),
			.cc = many(rows[i].cc, rows[i].same, &a),
			.bcc = many(rows[i].bcc, rows[i].same, &a),
			.agent = S("bot@x.io"),
			.max = MAX,
		};
		struct recipients got;
		enum err e = recipients_normalise(&asked, &a, &got, &reason);

		assert_row(i, e == (rows[i].fits ? OK : ERR_INPUT));
		assert_slice_row(buf_slice(&reason),
				 rows[i].fits ? S("") : S("too many recipients (max 50)"), i);
	}
}

static void what_passes_can_be_sent_to(void **state)
{
	static const struct slice none[LIST_MAX];
	AUTO(buf_release) struct buf local = BUF_INIT(100);

	(void)state;
	while (local.len < 64)
		buf_add_char(&local, 'a');
	for (size_t i = 0; i < 2; i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
		struct slice to[LIST_MAX] = { slice_str(
			arena_printf(&a, "%s@b.c", buf_cstr(&local))) };
		struct recipients_asked asked = asked_of(to, none, none);
		struct recipients got;
		struct slice usable;

		assert_int_equal(recipients_normalise(&asked, &a, &got, &reason),
				 i ? ERR_INPUT : OK);
		if (i == 0)
			assert_int_equal(addr_usable(got.v[0], &a, &usable), OK);
		buf_add_char(&local, 'a');
	}
}

/* A request may have 25 MB; no address in it makes the answer long or slow. */
static void an_endless_address_gets_a_short_answer(void **state)
{
	static const char *const patterns[] = { "a", "\x01", "\"", "<", "(", "\xe2\x82\xac", "a@" };
	static const struct slice none[LIST_MAX];
	int64_t start = clock_mono_ms();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT(26 << 20);
		AUTO(buf_release) struct buf reason = BUF_INIT(RECIPIENTS_REASON_MAX);
		struct slice to[LIST_MAX];
		struct recipients_asked asked;
		struct recipients got;

		while (text.len < 25 << 20)
			buf_add_str(&text, patterns[i]);
		to[0] = buf_slice(&text);
		to[1] = slice_of(NULL, 0);
		asked = asked_of(to, none, none);
		assert_int_equal(recipients_normalise(&asked, &a, &got, &reason), ERR_INPUT);
		assert_false(buf_failed(&reason));
		assert_true(utf8_valid(buf_slice(&reason)));
		assert_false(slice_has_ctl(buf_slice(&reason)));
		assert_true(slice_search(buf_slice(&reason), S("...\": ")) > 0);
	}
	assert_true(clock_mono_ms() - start < 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_lists_become_one_envelope),
		cmocka_unit_test(a_test_mail_may_go_to_its_sender),
		cmocka_unit_test(no_from_domain_is_no_address),
		cmocka_unit_test(refusals_name_the_list_and_the_input),
		cmocka_unit_test(the_ceiling_counts_what_is_left),
		cmocka_unit_test(what_passes_can_be_sent_to),
		cmocka_unit_test(an_endless_address_gets_a_short_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
