/* SPDX-License-Identifier: Apache-2.0 */
/* The OAuth state: the bytes that existing tools know, and nothing else that reads as one. */
#include "apid/oidc_state.h"
#include "common/base/encode.h"
#include "tests/unit/test.h"

#define NONCE "0123456789abcdef0123456789abcdef"

static void a_state_has_the_published_form(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(OIDC_STATE_MAX);
	const struct oidc_state web = { .nonce = SLICE_INIT(NONCE) };
	const struct oidc_state cli = {
		.nonce = SLICE_INIT(NONCE),
		.callback = SLICE_INIT("http://127.0.0.1:43123/callback"),
		.cli_state = SLICE_INIT("00112233445566778899aabbccddeeff"),
	};

	(void)state;
	assert_int_equal(oidc_state_write(&web, &b), OK);
	assert_slice(buf_slice(&b), S("eyJuIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYifQ=="));
	buf_reset(&b);
	assert_int_equal(oidc_state_write(&cli, &b), OK);
	assert_slice(buf_slice(&b),
		     S("eyJuIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJjYiI6Imh0dHA6"
		       "Ly8xMjcuMC4wLjE6NDMxMjMvY2FsbGJhY2siLCJjcyI6IjAwMTEyMjMzNDQ1NTY2Nzc4"
		       "ODk5YWFiYmNjZGRlZWZmIn0="));
}

static void what_was_written_is_read(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(OIDC_STATE_MAX);
	const struct oidc_state s = {
		.nonce = SLICE_INIT(NONCE),
		.callback = SLICE_INIT("http://localhost/?<>&\"\\"),
		.cli_state = SLICE_INIT("\xc3\xa9 %41\x7f"),
	};
	struct oidc_state back;

	(void)state;
	assert_int_equal(oidc_state_write(&s, &b), OK);
	assert_int_equal(oidc_state_read(buf_slice(&b), &a, &back), OK);
	assert_slice(back.nonce, s.nonce);
	assert_slice(back.callback, s.callback);
	assert_slice(back.cli_state, s.cli_state);
}

static enum err read_json(const char *json, struct arena *a, struct oidc_state *ret)
{
	AUTO(buf_release) struct buf b = BUF_INIT(OIDC_STATE_MAX * 2);

	base64url_encode(slice_str(json), &b);
	while (b.len % 4)
		buf_add_char(&b, '=');
	return oidc_state_read(buf_slice(&b), a, ret);
}

static void other_json_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"{}",
		"[]",
		"{",
		"null",
		"{\"n\":null}",
		"{\"n\":1}",
		"{\"n\":\"\"}",
		"{\"n\":\"" NONCE "0\"}",
		"{\"n\":\"" NONCE "\",\"cb\":1}",
		"{\"n\":\"0123456789ABCDEF0123456789ABCDEF\"}",
		"{\"n\":\"0123456789abcde\\u00000123456789abcdef\"}",
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct oidc_state s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, read_json(rows[i], &a, &s) == ERR_INPUT);
}

static void other_base64_is_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("===="),
		SLICE_INIT("eyJu"),
		SLICE_INIT("!!!!"),
		SLICE_INIT("eyJuIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYifQ"),
		SLICE_INIT("eyJuIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYifQ="),
		SLICE_INIT("eyJuIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYifQ\r\n"),
		SLICE_INIT("=eyJuIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYifQ="),
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct oidc_state s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_row(i, oidc_state_read(rows[i], &a, &s) == ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_has_the_published_form),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(other_json_is_refused),
		cmocka_unit_test(other_base64_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
