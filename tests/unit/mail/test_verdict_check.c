/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Milter on one side, deliverd on the other, and between them what Postfix
 * does to a message: line ends, refolding of nothing, one Received.
 */
#include "common/mail/mail_hash.h"
#include "common/mail/verdict.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEY S("0123456789abcdef0123456789abcdef")
#define QUEUE_ID S("4XyZ1b2c3dz9vNx")
#define NOW 1768473000000000
#define DAY_US 86400000000
#define BODY S("Hi bot.\r\n\r\n--x\r\n")

/* As libmilter hands fields over: leading space kept, folds as LF. */
static const struct {
	struct slice name, value;
} fields[] = {
	{ SLICE_INIT("Received"), SLICE_INIT(" from a\n\tby b; Thu, 15 Jan 2026 10:30:00 +0000") },
	{ SLICE_INIT("From"), SLICE_INIT(" Alice <alice@example.com>") },
	{ SLICE_INIT("Subject"), SLICE_INIT("\n  folded at once \n\t \n x") },
	{ SLICE_INIT("X-Empty"), SLICE_INIT("") },
	{ SLICE_INIT("X-Raw"), SLICE_INIT("  caf\xe9 \t") },
};

static void add_crlf(struct buf *b, struct slice lf_text)
{
	for (size_t i = 0; i < lf_text.n; i++) {
		if (lf_text.p[i] == '\n')
			buf_add_char(b, '\r');
		buf_add_char(b, lf_text.p[i]);
	}
}

static void add_verdict(struct buf *b, struct slice queue_id)
{
	struct mail_hash *h = mail_hash_new();
	struct verdict v = { .queue_id = queue_id, .time_us = NOW, .origin = S("smtp") };
	AUTO(buf_release) struct buf value = BUF_INIT(VERDICT_TEXT_MAX);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		mail_hash_field(h, fields[i].name, fields[i].value);
	for (size_t i = 0; i < BODY.n; i += 5) /* in chunks */
		mail_hash_body(h, slice_sub(BODY, i, i + 5));
	mail_hash_finish(h, v.header_hash, v.body_hash);
	buf_add_str(b, VERDICT_HEADER ":");
	verdict_seal(&v, KEY, &value);
	add_crlf(b, buf_slice(&value));
	buf_add_str(b, "\r\n");
}

static void add_rest(struct buf *b)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		buf_add_slice(b, fields[i].name);
		buf_add_char(b, ':');
		add_crlf(b, fields[i].value);
		buf_add_str(b, "\r\n");
	}
	buf_add_str(b, "\r\n");
	buf_add_slice(b, BODY);
}

#define TOP S("Received: by mx.example.com (Postfix)\r\n\tid 4XyZ\r\n")

static void make_message(struct buf *b)
{
	buf_add_slice(b, TOP);
	add_verdict(b, QUEUE_ID);
	add_rest(b);
}

static enum err check(struct slice message, const struct verdict_claim *claim, const char **reason)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct header h;
	struct verdict v;

	header_parse(message, &a, &h);
	return verdict_check(message, &h, KEY, claim, &a, &v, reason);
}

static const struct verdict_claim claim = { SLICE_INIT("4XyZ1b2c3dz9vNx"), NOW + DAY_US,
					    6 * DAY_US };

static void refused(struct buf *message, enum err want, const char *want_reason)
{
	const char *reason = "";

	assert_int_equal(check(buf_slice(message), &claim, &reason), want);
	assert_string_equal(reason, want_reason);
}

static void both_sides_agree_on_an_untouched_message(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct header h;
	struct verdict v = { 0 };
	const char *reason;

	(void)state;
	make_message(&m);
	header_parse(buf_slice(&m), &a, &h);
	assert_int_equal(verdict_check(buf_slice(&m), &h, KEY, &claim, &a, &v, &reason), OK);
	assert_true(slice_eq(v.queue_id, QUEUE_ID));
	assert_int_equal(v.time_us, NOW);
}

/* Our own field and what the MTA put around it; the milter saw all but the first Received. */
static void the_received_that_no_milter_saw_may_stand_anywhere(void **state)
{
	static const struct {
		const char *above, *below;
		enum err want;
	} rows[] = {
		{ "", "Received: by mx\r\n", OK },
		{ "X-Later: 1\r\n", "Received: by mx\r\n", OK },
		{ "", "", OK },
		{ "", "Received: by mx\r\nReceived: by mx\r\n", ERR_CRYPTO },
		{ "", "X-Received: by mx\r\n", ERR_CRYPTO },
		{ "", "Received: by mx\r\nX-Odd: 1\r\n", ERR_CRYPTO },
		{ "From: b\r\n", "Received: by mx\r\n", ERR_CRYPTO },
	};
	const char *reason;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);

		buf_add_str(&m, rows[i].above);
		add_verdict(&m, QUEUE_ID);
		buf_add_str(&m, rows[i].below);
		add_rest(&m);
		if (check(buf_slice(&m), &claim, &reason) != rows[i].want)
			fail_msg("row %zu: %s", i, reason);
	}
}

static bool inside(const struct buf *m, size_t at, const char *from, const char *to)
{
	struct slice s = buf_slice(m);

	return at >= (size_t)slice_search(s, slice_str(from)) &&
	       at < (size_t)slice_search(s, slice_str(to));
}

/* Above the verdict stands only what Postfix added; it decides nothing. */
static void every_flipped_byte_below_the_top_is_found(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);

	(void)state;
	make_message(&m);
	for (size_t i = TOP.n; i < m.len; i++) {
		const char *reason = NULL;
		enum err e;

		m.p[i] = (char)(m.p[i] ^ 1);
		e = check(buf_slice(&m), &claim, &reason);
		m.p[i] = (char)(m.p[i] ^ 1);
		if (e == OK)
			fail_msg("byte %zu", i);
		assert_non_null(reason);
		if (inside(&m, i, "Hi bot", "--x"))
			assert_string_equal(reason, "body_hash");
		if (inside(&m, i, "alice@", "example.com>"))
			assert_string_equal(reason, "header_hash");
	}
}

static void a_message_cut_anywhere_is_not_believed(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);
	const char *reason;

	(void)state;
	make_message(&m);
	for (size_t n = 0; n < m.len; n++)
		assert_int_not_equal(check(slice_of(m.p, n), &claim, &reason), OK);
}

static void fields_added_moved_or_removed_are_found(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);

	(void)state;
	add_verdict(&m, QUEUE_ID);
	buf_add_str(&m, "Reply-To: x@y.example\r\n");
	add_rest(&m);
	refused(&m, ERR_CRYPTO, "header_hash");

	buf_reset(&m); /* moved above */
	buf_add_str(&m, "Received: from a\r\n\tby b; Thu, 15 Jan 2026 10:30:00 +0000\r\n");
	add_verdict(&m, QUEUE_ID);
	buf_add_str(&m, "From: Alice <alice@example.com>\r\n\r\n");
	buf_add_slice(&m, BODY);
	refused(&m, ERR_CRYPTO, "header_hash");

	buf_reset(&m); /* a second verdict below the first is a field like any other */
	add_verdict(&m, QUEUE_ID);
	add_verdict(&m, QUEUE_ID);
	add_rest(&m);
	refused(&m, ERR_CRYPTO, "header_hash");

	buf_reset(&m); /* the topmost counts, even when a good one follows */
	buf_add_str(&m, "X-E2A-Verdict: v=1; s=x\r\n");
	add_verdict(&m, QUEUE_ID);
	add_rest(&m);
	refused(&m, ERR_CRYPTO, "bad_seal");

	buf_reset(&m);
	buf_add_str(&m, "From: x@y.example\r\n");
	add_verdict(&m, QUEUE_ID);
	add_rest(&m);
	refused(&m, ERR_CRYPTO, "header_hash");

	buf_reset(&m);
	buf_add_str(&m, "not a field\r\n");
	add_verdict(&m, QUEUE_ID);
	add_rest(&m);
	refused(&m, ERR_CRYPTO, "header_hash");

	buf_reset(&m);
	for (int i = 0; i < HEADER_FIELDS_MAX; i++)
		buf_add_str(&m, "Received: x\r\n");
	make_message(&m);
	refused(&m, ERR_NOT_FOUND, "no_verdict");
}

static void a_verdict_belongs_to_one_queue_id(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);
	struct verdict_claim none = { .now_us = NOW, .max_age_us = DAY_US };
	const char *reason;

	(void)state;
	add_verdict(&m, S("4OtherQueueId"));
	add_rest(&m);
	refused(&m, ERR_CRYPTO, "queue_id");

	buf_reset(&m);
	make_message(&m);
	assert_int_equal(check(buf_slice(&m), &none, &reason), ERR_CRYPTO);
	assert_string_equal(reason, "queue_id");

	buf_reset(&m); /* nothing on both sides is no match */
	add_verdict(&m, S(""));
	add_rest(&m);
	assert_int_equal(check(buf_slice(&m), &none, &reason), ERR_CRYPTO);
	assert_string_equal(reason, "queue_id");
}

static void a_verdict_has_an_age(void **state)
{
	static const struct {
		int64_t now;
		enum err want;
	} rows[] = {
		{ NOW, OK },
		{ NOW + DAY_US, OK },
		{ NOW + DAY_US + 1, ERR_CRYPTO },
		{ NOW - DAY_US / 24, OK }, /* the clock was set back */
		{ NOW - DAY_US - 1, ERR_CRYPTO },
		{ INT64_MIN, ERR_CRYPTO },
		{ INT64_MAX, ERR_CRYPTO },
	};
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);

	(void)state;
	make_message(&m);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verdict_claim c = { QUEUE_ID, rows[i].now, DAY_US };
		const char *reason = "too_old";

		assert_int_equal(check(buf_slice(&m), &c, &reason), rows[i].want);
		assert_string_equal(reason, "too_old");
	}
}

static void a_message_without_a_usable_verdict_says_so(void **state)
{
	AUTO(buf_release) struct buf m = BUF_INIT(1 << 20);

	(void)state;
	refused(&m, ERR_NOT_FOUND, "no_verdict");
	add_rest(&m);
	refused(&m, ERR_NOT_FOUND, "no_verdict");
	buf_reset(&m);
	buf_add_str(&m, "X-E2A-Verdict: true\r\n\r\n");
	refused(&m, ERR_INPUT, "malformed");
	buf_reset(&m);
	buf_add_str(&m, "Subject: x\r\n\r\n");
	add_verdict(&m, QUEUE_ID); /* in the body */
	refused(&m, ERR_NOT_FOUND, "no_verdict");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_agree_on_an_untouched_message),
		cmocka_unit_test(the_received_that_no_milter_saw_may_stand_anywhere),
		cmocka_unit_test(every_flipped_byte_below_the_top_is_found),
		cmocka_unit_test(a_message_cut_anywhere_is_not_believed),
		cmocka_unit_test(fields_added_moved_or_removed_are_found),
		cmocka_unit_test(a_verdict_belongs_to_one_queue_id),
		cmocka_unit_test(a_verdict_has_an_age),
		cmocka_unit_test(a_message_without_a_usable_verdict_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
