/* SPDX-License-Identifier: Apache-2.0 */
/* id_tokens: each claim is looked at, and one that is odd spoils the token. */
#include "apid/oidc_token.h"
#include "common/base/buf.h"
#include "common/base/encode.h"
#include "tests/unit/test.h"

#define NOW 1700000000
#define SIGNED "{\"alg\":\"RS256\"}"
#define REST ",\"sub\":\"s1\",\"nonce\":\"n1\",\"exp\":1700000300,\"iat\":1699999999}"
#define GOOD "{\"iss\":\"https://i.example\",\"aud\":\"c1\"" REST

static enum err check(const char *header, const char *payload, struct arena *a, struct slice *ret)
{
	AUTO(buf_release) struct buf jws = BUF_INIT(200000);
	const struct oidc_expect expect = {
		.issuer = SLICE_INIT("https://i.example"),
		.client_id = SLICE_INIT("c1"),
		.nonce = SLICE_INIT("n1"),
		.now_s = NOW,
	};

	base64url_encode(slice_str(header), &jws);
	buf_add_char(&jws, '.');
	base64url_encode(slice_str(payload), &jws);
	buf_add_str(&jws, ".c2ln");
	return oidc_token_check(buf_slice(&jws), &expect, a, ret, NULL);
}

static void a_token_for_us_and_now_is_taken(void **state)
{
	static const char *const rows[] = {
		GOOD,
		"{\"iss\":\"https://i.example\",\"aud\":[\"c1\"]" REST,
		"{\"iss\":\"https://i.example\",\"aud\":\"c1\",\"azp\":\"c1\"" REST,
		"{\"iss\":\"https://i.example\",\"aud\":[\"c2\",\"c1\"],\"azp\":\"c1\"" REST,
		"{\"iss\":\"https://i.example\",\"aud\":\"c1\",\"azp\":null,\"x\":{}" REST,
		"{\"iss\":\"https://i.example\",\"aud\":\"c1\",\"sub\":\"s1\",\"nonce\":\"n1\","
		"\"exp\":1700000000.5e0,\"iat\":1700000060}", /* cut: 1700000000 is too late */
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice subject;

	(void)state;
	for (size_t i = 0; i + 1 < ARRAY_LEN(rows); i++) {
		subject = S("");
		assert_row(i, check(SIGNED, rows[i], &a, &subject) == OK);
		assert_slice_row(subject, S("s1"), i);
	}
	assert_int_equal(check(SIGNED, rows[ARRAY_LEN(rows) - 1], &a, &subject), ERR_FORBIDDEN);
}

static void a_token_that_is_not_is_refused(void **state)
{
#define BODY(iss, aud, sub, nonce, exp, iat)                                                       \
	"{\"iss\":" iss ",\"aud\":" aud ",\"sub\":" sub ",\"nonce\":" nonce ",\"exp\":" exp        \
	",\"iat\":" iat "}"
#define I "\"https://i.example\""
/* issuer, audience, subject, nonce; expiry and time of issue are good */
#define CLAIMS(iss, aud, sub, nonce) BODY(iss, aud, sub, nonce, "1700000300", "1699999999")
	static const struct {
		const char *payload;
		enum err want;
	} rows[] = {
		{ CLAIMS("\"https://i.example/\"", "\"c1\"", "\"s\"", "\"n1\""), ERR_FORBIDDEN },
		{ CLAIMS("\"https://I.example\"", "\"c1\"", "\"s\"", "\"n1\""), ERR_FORBIDDEN },
		{ CLAIMS(I, "\"c2\"", "\"s\"", "\"n1\""), ERR_FORBIDDEN },
		{ CLAIMS(I, "[\"c1\",\"c2\"]", "\"s\"", "\"n1\""), ERR_FORBIDDEN },
		{ CLAIMS(I, "[]", "\"s\"", "\"n1\""), ERR_INPUT },
		{ CLAIMS(I, "null", "\"s\"", "\"n1\""), ERR_INPUT },
		{ CLAIMS(I, "[\"c1\",1]", "\"s\"", "\"n1\""), ERR_INPUT },
		{ CLAIMS(I, "\"c1\"", "\"\"", "\"n1\""), ERR_FORBIDDEN },
		{ CLAIMS(I, "\"c1\"", "\"a\\nb\"", "\"n1\""), ERR_FORBIDDEN },
		{ CLAIMS(I, "\"c1\"", "7", "\"n1\""), ERR_INPUT },
		{ CLAIMS(I, "\"c1\"", "\"s\"", "\"n2\""), ERR_FORBIDDEN },
		{ CLAIMS(I, "\"c1\"", "\"s\"", "\"\""), ERR_FORBIDDEN },
		{ CLAIMS(I, "\"c1\"", "\"s\"", "null"), ERR_INPUT },
		{ BODY(I, "\"c1\"", "\"s\"", "\"n1\"", "1700000000", "1699999999"), ERR_FORBIDDEN },
		{ BODY(I, "\"c1\"", "\"s\"", "\"n1\"", "1700000300", "1700000061"), ERR_FORBIDDEN },
		{ BODY(I, "\"c1\"", "\"s\"", "\"n1\"", "1700000300", "1699999399"), ERR_FORBIDDEN },
		{ BODY(I, "\"c1\"", "\"s\"", "\"n1\"", "\"1700000300\"", "1"), ERR_INPUT },
		{ BODY(I, "\"c1\"", "\"s\"", "\"n1\"", "-1", "1699999999"), ERR_INPUT },
		{ BODY(I, "\"c1\"", "\"s\"", "\"n1\"", "1e308", "1699999999"), ERR_INPUT },
		{ BODY(I, "\"c1\"", "\"s\"", "\"n1\"", "true", "1699999999"), ERR_INPUT },
		{ "{\"iss\":\"x\",\"iss\":" I ",\"aud\":\"c1\"" REST, ERR_INPUT },
		{ "{\"ISS\":" I ",\"aud\":\"c1\"" REST, ERR_INPUT },
		{ "[" GOOD "]", ERR_INPUT },
		{ GOOD "x", ERR_INPUT },
		{ "", ERR_INPUT },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice subject;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, check(SIGNED, rows[i].payload, &a, &subject) == rows[i].want);
}

static void a_token_without_a_signature_is_none(void **state)
{
	static const char *const headers[] = { "{\"alg\":\"none\"}",
					       "{\"alg\":\"NONE\"}",
					       "{\"alg\":\"\"}",
					       "{\"alg\":null}",
					       "{\"alg\":1}",
					       "{}",
					       "[]",
					       "" };
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("."),
		SLICE_INIT(".."),
		SLICE_INIT("..."),
		SLICE_INIT("a.b"),
		SLICE_INIT("e30.e30."),
		SLICE_INIT("e30.e30.c2ln.c2ln"),
		SLICE_INIT("e30.e30.c2ln="),
		SLICE_INIT("e30.e30.\0"),
		SLICE_INIT("e30.e3 .c2ln"),
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct oidc_expect expect = { .now_s = NOW };
	struct slice subject;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		assert_row(i, check(headers[i], GOOD, &a, &subject) != OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, oidc_token_check(rows[i], &expect, &a, &subject, NULL) == ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_for_us_and_now_is_taken),
		cmocka_unit_test(a_token_that_is_not_is_refused),
		cmocka_unit_test(a_token_without_a_signature_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
