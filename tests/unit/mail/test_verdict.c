/* SPDX-License-Identifier: Apache-2.0 */
/* Seal, open and verdict_verified(): nothing altered is ever believed. */
#include "common/mail/verdict.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEY S("0123456789abcdef0123456789abcdef")

static struct verdict sample(void)
{
	struct verdict v = {
		.queue_id = S("4XyZ1b2c3dz9vNx"),
		.time_us = 1768473000123456,
		.client_ip = S("2001:db8::25"),
		.helo = S("mail.example.com"),
		.mail_from = S("bounce+1=x@example.com"),
		.header_from = S("alice@example.com"),
		.author_valid = true,
		.origin = S("smtp"),
		.spf = AUTH_SOFTFAIL,
		.spf_domain = S("example.com"),
		.spf_aligned = true,
		.dkim = {
			{ AUTH_PASS, S("example.com"), S("sel1"), S(""), true, true },
			{ AUTH_POLICY, S("example.net"), S("s;2,="), S("body_length"), false, false },
		},
		.dkim_n = 2,
		.dkim_all = AUTH_PASS,
		.dmarc = AUTH_PASS,
		.dmarc_policy = S("quarantine"),
	};

	memset(v.header_hash, 0xa5, sizeof(v.header_hash));
	memset(v.body_hash, 0x5a, sizeof(v.body_hash));
	return v;
}

static void assert_slice(struct slice got, struct slice want)
{
	assert_int_equal(got.n, want.n);
	if (want.n)
		assert_memory_equal(got.p, want.p, want.n);
}

static void assert_same(const struct verdict *a, const struct verdict *b)
{
	assert_slice(a->queue_id, b->queue_id);
	assert_int_equal(a->time_us, b->time_us);
	assert_slice(a->client_ip, b->client_ip);
	assert_slice(a->helo, b->helo);
	assert_slice(a->mail_from, b->mail_from);
	assert_slice(a->header_from, b->header_from);
	assert_int_equal(a->author_valid, b->author_valid);
	assert_slice(a->origin, b->origin);
	assert_int_equal(a->spf, b->spf);
	assert_slice(a->spf_domain, b->spf_domain);
	assert_int_equal(a->spf_aligned, b->spf_aligned);
	assert_int_equal(a->dkim_all, b->dkim_all);
	assert_int_equal(a->dmarc, b->dmarc);
	assert_slice(a->dmarc_policy, b->dmarc_policy);
	assert_memory_equal(a->header_hash, b->header_hash, sizeof(a->header_hash));
	assert_memory_equal(a->body_hash, b->body_hash, sizeof(a->body_hash));
	assert_int_equal(a->dkim_n, b->dkim_n);
	for (size_t i = 0; i < a->dkim_n; i++) {
		assert_int_equal(a->dkim[i].result, b->dkim[i].result);
		assert_int_equal(a->dkim[i].aligned, b->dkim[i].aligned);
		assert_int_equal(a->dkim[i].signs_addresses, b->dkim[i].signs_addresses);
		assert_slice(a->dkim[i].domain, b->dkim[i].domain);
		assert_slice(a->dkim[i].selector, b->dkim[i].selector);
		assert_slice(a->dkim[i].reason, b->dkim[i].reason);
	}
}

static void round_trip(const struct verdict *v)
{
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct verdict got;

	verdict_seal(v, KEY, &text);
	assert_false(buf_failed(&text));
	assert_int_equal(verdict_open(buf_slice(&text), KEY, &a, &got), OK);
	assert_same(&got, v);
}

static void what_was_sealed_is_what_is_opened(void **state)
{
	struct verdict v = sample(), empty = { 0 };

	(void)state;
	round_trip(&v);
	round_trip(&empty);
	for (v.dkim_n = 0; v.dkim_n <= VERDICT_DKIM_MAX; v.dkim_n++) {
		for (size_t i = 0; i < v.dkim_n; i++)
			v.dkim[i] =
				(struct verdict_dkim){ (enum auth_result)(i % AUTH_RESULT_COUNT),
						       S("d.example"),
						       S("s"),
						       S("expired"),
						       i % 2 == 0,
						       i % 3 == 0 };
		round_trip(&v);
	}
}

static void no_byte_of_a_value_leaves_its_tag(void **state)
{
	char all[256];
	struct verdict v = sample();
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	v.helo = v.mail_from = v.header_from = slice_of(all, sizeof(all));
	v.dkim[0].selector = v.dkim[1].domain = slice_of(all, sizeof(all));
	round_trip(&v);

	v = sample();
	v.helo = S("x; author=1; s=\r\nX-E2A-Verdict: v=1");
	verdict_seal(&v, KEY, &text);
	assert_int_equal(slice_find(buf_slice(&text), '\r'), -1);
	assert_int_equal(slice_search(buf_slice(&text), S("author=1; s=")), -1);
	assert_int_equal(slice_search(buf_slice(&text), S("\nX-E2A")), -1);
}

static void lines_are_folded_below_78_columns(void **state)
{
	struct verdict v = sample();
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	struct slice rest, line;

	(void)state;
	buf_add_str(&text, VERDICT_HEADER ":");
	verdict_seal(&v, KEY, &text);
	for (rest = buf_slice(&text); slice_cut(&rest, '\n', &line);) {
		size_t indent = slice_starts(line, S("\t")) ? 7 : 0;

		assert_true(line.n + indent < 78);
		assert_true(indent || slice_starts(line, S("X-E2A-Verdict: v=1;")));
	}
}

static void folding_may_change_on_the_way(void **state)
{
	struct verdict v = sample(), got;
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	AUTO(buf_release) struct buf crlf = BUF_INIT(VERDICT_TEXT_MAX);
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	verdict_seal(&v, KEY, &text);
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\n')
			buf_add_char(&crlf, '\r');
		buf_add_char(&crlf, text.p[i]);
	}
	assert_int_equal(verdict_open(buf_slice(&crlf), KEY, &a, &got), OK);
	assert_same(&got, &v);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* White space counts nowhere, so one kind may become another. */
static void every_changed_byte_is_found(void **state)
{
	struct verdict v = sample(), got;
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);

	(void)state;
	verdict_seal(&v, KEY, &text);
	for (size_t i = 0; i < text.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			AUTO(arena_release) struct arena a = ARENA_INIT;
			char was = text.p[i];

			text.p[i] = (char)(was ^ (1 << bit));
			if (is_space(was) && is_space(text.p[i]))
				assert_int_equal(verdict_open(buf_slice(&text), KEY, &a, &got), OK);
			else
				assert_int_not_equal(verdict_open(buf_slice(&text), KEY, &a, &got),
						     OK);
			text.p[i] = was;
		}
	}
	for (size_t n = 0; n < text.len; n++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;

		assert_int_not_equal(verdict_open(slice_of(text.p, n), KEY, &a, &got), OK);
	}
}

static void another_key_is_a_wrong_seal(void **state)
{
	struct verdict v = sample(), got;
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	verdict_seal(&v, KEY, &text);
	assert_int_equal(verdict_open(buf_slice(&text), S("another key"), &a, &got), ERR_CRYPTO);
}

/* Seals any text with the right key, as a later version of the milter could. */
static enum err open_sealed(const char *tags)
{
	AUTO(buf_release) struct buf text = BUF_INIT(VERDICT_TEXT_MAX);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	uint8_t mac[SHA256_LEN];
	struct verdict got;

	buf_addf(&text, "X-E2A-Verdict:%s", tags);
	crypto_hmac_sha256(KEY, buf_slice(&text), mac);
	buf_reset(&text);
	buf_addf(&text, "%ss=", tags);
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), &text);
	return verdict_open(buf_slice(&text), KEY, &a, &got);
}

#define ZERO64 "0000000000000000000000000000000000000000000000000000000000000000"
#define HEAD "v=1;qid=a;time=1;origin=smtp;ip=;helo=;mailfrom=;from="
#define MIDDLE ";author=1;spf=none;spfdomain=;spfaligned=0;dkim=none;dmarc=none;policy="
#define TAIL ";hh=" ZERO64 ";bh=" ZERO64 ";"
#define DKIM "d=pass,1,a.example,s,;"

static void a_sealed_text_is_still_read_strictly(void **state)
{
	static const struct {
		const char *text;
		enum err want;
	} rows[] = {
		{ HEAD MIDDLE TAIL, OK },
		{ HEAD MIDDLE TAIL DKIM, OK },
		{ HEAD "%41" MIDDLE TAIL, OK },
		{ HEAD "%4" MIDDLE TAIL, ERR_INPUT },
		{ HEAD "%" MIDDLE TAIL, ERR_INPUT },
		{ HEAD "%zz" MIDDLE TAIL, ERR_INPUT },
		{ HEAD "x;from=y" MIDDLE TAIL, ERR_INPUT },
		{ HEAD MIDDLE ";hh=00;bh=" ZERO64 ";", ERR_INPUT },
		{ HEAD MIDDLE ";hh=" ZERO64 ";", ERR_INPUT },
		{ HEAD MIDDLE TAIL "d=pass,1,a,s;", ERR_INPUT },
		{ HEAD MIDDLE TAIL "d=pass,1,a,s,,;", ERR_INPUT },
		{ HEAD MIDDLE TAIL "d=pass,1,a,s,,1;", OK },
		{ HEAD MIDDLE TAIL "d=pass,1,a,s,,0;", OK },
		{ HEAD MIDDLE TAIL "d=pass,1,a,s,,2;", ERR_INPUT },
		{ HEAD MIDDLE TAIL "d=pass,1,a,s,,1,;", ERR_INPUT },
		{ HEAD MIDDLE TAIL "d=passed,1,a,s,;", ERR_INPUT },
		{ HEAD MIDDLE TAIL "d=pass,2,a,s,;", ERR_INPUT },
		{ HEAD MIDDLE TAIL "x=1;", ERR_INPUT },
		{ HEAD MIDDLE TAIL ";", ERR_INPUT },
		{ HEAD MIDDLE TAIL DKIM DKIM DKIM DKIM DKIM DKIM DKIM DKIM DKIM DKIM, OK },
		{ HEAD MIDDLE TAIL DKIM DKIM DKIM DKIM DKIM DKIM DKIM DKIM DKIM DKIM DKIM,
		  ERR_INPUT },
		{ "v=2;qid=a;", ERR_INPUT },
		{ "v=1;", ERR_INPUT },
		{ "", ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(open_sealed(rows[i].text), rows[i].want);
}

static void text_that_is_no_verdict_is_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),       SLICE_INIT(";"),       SLICE_INIT(" v=1; s="),
		SLICE_INIT("v=1;"),   SLICE_INIT(";;;;s="),  SLICE_INIT("s=abc"),
		SLICE_INIT("a\0;s="), SLICE_INIT("true; s"), SLICE_INIT("v=1;S=x"),
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(mem_freep) char *big = mem_zalloc(VERDICT_TEXT_MAX + 1);
	struct verdict got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_not_equal(verdict_open(rows[i], KEY, &a, &got), OK);
	memset(big, ';', VERDICT_TEXT_MAX + 1);
	assert_int_equal(verdict_open(slice_of(big, VERDICT_TEXT_MAX + 1), KEY, &a, &got),
			 ERR_INPUT);
}

static void a_verdict_beyond_its_limit_marks_the_buffer(void **state)
{
	AUTO(mem_freep) char *big = mem_zalloc(VERDICT_TEXT_MAX);
	AUTO(buf_release) struct buf text = BUF_INIT(1 << 20);
	struct verdict v = sample();

	(void)state;
	v.helo = slice_of(big, VERDICT_TEXT_MAX);
	verdict_seal(&v, KEY, &text);
	assert_true(buf_failed(&text));
}

static void verified_needs_an_author_and_an_aligned_pass(void **state)
{
	static const struct {
		bool author;
		const char *from;
		const char *origin;
		enum auth_result spf;
		bool spf_aligned;
		enum auth_result dkim;
		bool dkim_aligned;
		bool want;
	} rows[] = {
		{ true, "a@b.example", "smtp", AUTH_PASS, true, AUTH_NONE, false, true },
		{ true, "a@b.example", "smtp", AUTH_NONE, false, AUTH_PASS, true, true },
		{ true, "a@b.example", "smtp", AUTH_PASS, false, AUTH_PASS, false, false },
		{ true, "a@b.example", "smtp", AUTH_FAIL, true, AUTH_FAIL, true, false },
		{ true, "a@b.example", "smtp", AUTH_PASS, false, AUTH_POLICY, true, false },
		{ true, "a@b.example", "smtp", AUTH_SOFTFAIL, true, AUTH_TEMPERROR, true, false },
		{ false, "a@b.example", "smtp", AUTH_PASS, true, AUTH_PASS, true, false },
		{ true, "", "smtp", AUTH_PASS, true, AUTH_PASS, true, false },
		{ true, "a@b.example", "", AUTH_PASS, true, AUTH_PASS, true, false },
		{ true, "a@b.example", "Agent", AUTH_NONE, false, AUTH_NONE, false, false },
		{ true, "a@b.example", "agent", AUTH_NONE, false, AUTH_NONE, false, true },
		{ false, "a@b.example", "agent", AUTH_NONE, false, AUTH_NONE, false, false },
		{ true, "", "agent", AUTH_NONE, false, AUTH_NONE, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verdict v = {
			.author_valid = rows[i].author,
			.header_from = slice_str(rows[i].from),
			.origin = slice_str(rows[i].origin),
			.spf = rows[i].spf,
			.spf_aligned = rows[i].spf_aligned,
			.dkim = { { .result = AUTH_FAIL, .aligned = true },
				  { .result = rows[i].dkim, .aligned = rows[i].dkim_aligned } },
			.dkim_n = 2,
		};

		assert_int_equal(verdict_verified(&v), rows[i].want);
	}
}

static void domain_check_uses_the_words_of_rfc_8601(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(100);
	struct verdict v = sample();
	enum auth_result r;

	(void)state;
	v.dmarc = AUTH_PERMERROR;
	verdict_domain_check(&v, &text);
	assert_string_equal(buf_cstr(&text), "spf=softfail; dkim=pass; dmarc=permerror");
	for (unsigned i = 0; i < AUTH_RESULT_COUNT; i++) {
		const char *name = verdict_result_name((enum auth_result)i);

		assert_int_equal(verdict_result_parse(slice_str(name), &r), OK);
		assert_int_equal(r, i);
	}
	assert_int_equal(verdict_result_parse(S("Pass"), &r), ERR_INPUT);
	assert_int_equal(verdict_result_parse(S(""), &r), ERR_INPUT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_is_what_is_opened),
		cmocka_unit_test(no_byte_of_a_value_leaves_its_tag),
		cmocka_unit_test(lines_are_folded_below_78_columns),
		cmocka_unit_test(folding_may_change_on_the_way),
		cmocka_unit_test(every_changed_byte_is_found),
		cmocka_unit_test(another_key_is_a_wrong_seal),
		cmocka_unit_test(a_sealed_text_is_still_read_strictly),
		cmocka_unit_test(text_that_is_no_verdict_is_refused),
		cmocka_unit_test(a_verdict_beyond_its_limit_marks_the_buffer),
		cmocka_unit_test(verified_needs_an_author_and_an_aligned_pass),
		cmocka_unit_test(domain_check_uses_the_words_of_rfc_8601),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
