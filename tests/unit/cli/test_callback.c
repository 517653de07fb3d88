/* SPDX-License-Identifier: Apache-2.0 */
/* What may come to the login's port, whole and byte by byte. */
#include "cli/callback.h"
#include "common/base/crypto.h"
#include "tests/unit/test.h"

#define STATE "0123456789abcdef0123456789abcdef"
#define HEAD "POST /callback HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"

static const struct {
	const char *in;
	enum callback_result want;
	int status;
	const char *key, *agent, *error;
} rows[] = {
	{ HEAD "Content-Length: 91\r\n\r\ncli_state=" STATE
	       "&api_key=e2a_0a&agent_email=b%6ft%2bx%40x.example",
	  CALLBACK_GRANTED, 200, "e2a_0a", "bot+x@x.example", "" },
	{ HEAD "content-length:69\r\n\r\napi_key=e2a_1&agent_email=&cli_state=" STATE,
	  CALLBACK_GRANTED, 200, "e2a_1", "", "" },
	{ HEAD "Content-Length: 62\r\n\r\ncli_state=" STATE "&error=access+denied", CALLBACK_DENIED,
	  400, "", "", "access denied" },
	{ "", CALLBACK_MORE, 0, "", "", "" },
	{ HEAD "Content-Length: 5\r\n\r\nabcd", CALLBACK_MORE, 0, "", "", "" },
	{ "GET /callback?cli_state=" STATE " HTTP/1.1\r\n\r\n", CALLBACK_OTHER, 405, "", "", "" },
	{ "post / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", CALLBACK_OTHER, 405, "", "", "" },
	{ HEAD "\r\n", CALLBACK_OTHER, 411, "", "", "" },
	{ HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", CALLBACK_OTHER, 411, "",
	  "", "" },
	{ HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", CALLBACK_OTHER, 400, "", "", "" },
	{ HEAD "Content-Length: 1x\r\n\r\n", CALLBACK_OTHER, 400, "", "", "" },
	{ HEAD "Content-Length: 16385\r\n\r\n", CALLBACK_OTHER, 413, "", "", "" },
	{ HEAD "Content-Length: 99999999999999999999\r\n\r\n", CALLBACK_OTHER, 400, "", "", "" },
	{ HEAD "Content-Length: 0\r\n\r\n", CALLBACK_OTHER, 400, "", "", "" },
	{ HEAD "Content-Length: 56\r\n\r\ncli_state=X123456789abcdef0123456789abcdef&api_key=e2a_x",
	  CALLBACK_OTHER, 400, "", "", "" },
	{ HEAD "Content-Length: 24\r\n\r\ncli_state=&api_key=e2a_x", CALLBACK_OTHER, 400, "", "",
	  "" },
	{ HEAD "Content-Length: 42\r\n\r\ncli_state=" STATE, CALLBACK_OTHER, 400, "", "", "" },
	{ HEAD "Content-Length: 55\r\n\r\ncli_state=" STATE "&api_key=xyz_", CALLBACK_OTHER, 400,
	  "xyz_", "", "" },
	{ HEAD "Content-Length: 58\r\n\r\ncli_state=" STATE "&api_key=e2a_%0d", CALLBACK_OTHER, 400,
	  "e2a_%0d", "", "" },
};

static void check(size_t i, const struct callback *c, enum callback_result got)
{
	assert_row(i, got == rows[i].want);
	assert_row(i, c->status == rows[i].status);
	if (got == CALLBACK_MORE || got == CALLBACK_OTHER)
		return;
	assert_slice_row(c->api_key, slice_str(rows[i].key), i);
	assert_slice_row(c->agent_email, slice_str(rows[i].agent), i);
	assert_slice_row(c->error, slice_str(rows[i].error), i);
}

static void requests_are_understood_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(callback_release) struct callback c;

		callback_init(&c, S(STATE));
		check(i, &c, callback_feed(&c, slice_str(rows[i].in)));
	}
}

static void and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(callback_release) struct callback c;
		struct slice in = slice_str(rows[i].in);
		enum callback_result got = CALLBACK_MORE;

		callback_init(&c, S(STATE));
		for (size_t k = 0; k < in.n && got == CALLBACK_MORE; k++)
			got = callback_feed(&c, slice_sub(in, k, k + 1));
		check(i, &c, got);
	}
}

static void a_head_without_an_end_has_a_ceiling(void **state)
{
	AUTO(callback_release) struct callback c;
	enum callback_result got = CALLBACK_MORE;
	size_t fed = 0;

	(void)state;
	callback_init(&c, S(STATE));
	while (got == CALLBACK_MORE && fed++ < 100000)
		got = callback_feed(&c, S("x"));
	assert_int_equal(got, CALLBACK_OTHER);
	assert_int_equal(c.status, 431);
	assert_int_equal(fed, CALLBACK_HEAD_MAX + 1);
}

static void answers_say_nothing_that_came_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(callback_release) struct callback c;
		enum callback_result got;
		char status[40];

		callback_init(&c, S(STATE));
		got = callback_feed(&c, slice_str(rows[i].in));
		if (got == CALLBACK_MORE)
			continue;
		snprintf(status, sizeof(status), "HTTP/1.1 %d ", rows[i].status);
		assert_row(i, strstr(callback_answer(&c, got), status) == callback_answer(&c, got));
		assert_row(i, !strstr(callback_answer(&c, got), "e2a_"));
		assert_row(i, strstr(callback_answer(&c, got), "\r\nConnection: close\r\n\r\n"));
	}
}

static void the_policy_permits_the_style_that_is_there(void **state)
{
	const char *answer = callback_answer(&(struct callback){ 0 }, CALLBACK_GRANTED);
	const char *style = strstr(answer, "<style>") + 7, *end = strstr(style, "</style>");
	AUTO(buf_release) struct buf want = BUF_INIT(200);
	uint8_t hash[SHA256_LEN];

	(void)state;
	crypto_sha256(slice_of(style, (size_t)(end - style)), hash);
	buf_add_str(&want, "style-src 'sha256-");
	base64_encode(slice_of((const char *)hash, sizeof(hash)), &want);
	buf_add_str(&want, "'\r\n");
	assert_non_null(strstr(answer, buf_cstr(&want)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_understood_whole),
		cmocka_unit_test(and_byte_by_byte),
		cmocka_unit_test(a_head_without_an_end_has_a_ceiling),
		cmocka_unit_test(the_policy_permits_the_style_that_is_there),
		cmocka_unit_test(answers_say_nothing_that_came_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
