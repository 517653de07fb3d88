/* SPDX-License-Identifier: Apache-2.0 */
/* The look at request heads: which of them are handshakes, and whose. */
#include "apid/head.h"
#include "tests/unit/test.h"

#define LINE "GET /api/v1/agents/bot%40x.io/ws?token=e2a_1 HTTP/1.1\r\n"
#define BARE "GET /api/v1/agents/b/ws HTTP/1.1\r\n"
#define HOST "Host: h\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST HOST UPGRADE VERSION KEY "\r\n"

static void a_handshake_yields_agent_and_token(void **state)
{
	static const struct {
		struct slice head, agent, token;
	} rows[] = {
		{ SLICE_INIT(LINE REST), SLICE_INIT("bot@x.io"), SLICE_INIT("e2a_1") },
		{ SLICE_INIT("GET /api/v1/agents/b+t@x/ws HTTP/1.1\r\n"
			     "authorization: Bearer e2a_2\r\n" REST),
		  SLICE_INIT("b+t@x"), SLICE_INIT("e2a_2") },
		{ SLICE_INIT("GET /api/v1/agents/b/ws?token=q HTTP/1.1\r\n"
			     "Authorization: Bearer h\r\n" REST),
		  SLICE_INIT("b"), SLICE_INIT("q") },
		{ SLICE_INIT("GET /api/v1/agents/b/ws HTTP/1.1\r\n" REST), SLICE_INIT("b"),
		  SLICE_INIT("") },
		{ SLICE_INIT(LINE REST "\x81\x80more"), SLICE_INIT("bot@x.io"),
		  SLICE_INIT("e2a_1") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct head head;

		assert_row(i, head_look(rows[i].head, &a, &head) == HEAD_UPGRADE);
		assert_slice_row(head.agent, rows[i].agent, i);
		assert_slice_row(head.token, rows[i].token, i);
	}
}

#define OWN "Origin: https://e2a.example\r\n"

static void a_cookie_counts_where_no_key_is_shown(void **state)
{
	static const struct {
		struct slice head, token, session, origin, site;
	} rows[] = {
		{ SLICE_INIT(BARE OWN "Cookie: a=b; e2a_session=e2a_s; c\r\n" REST), SLICE_INIT(""),
		  SLICE_INIT("e2a_s"), SLICE_INIT("https://e2a.example"), SLICE_INIT("") },
		{ SLICE_INIT(BARE "cookie:e2a_session=s\r\nsec-fetch-site: same-origin\r\n" REST),
		  SLICE_INIT(""), SLICE_INIT("s"), SLICE_INIT(""), SLICE_INIT("same-origin") },
		{ SLICE_INIT(LINE OWN "Cookie: e2a_session=s\r\n" REST), SLICE_INIT("e2a_1"),
		  SLICE_INIT(""), SLICE_INIT("https://e2a.example"), SLICE_INIT("") },
		{ SLICE_INIT(BARE "Cookie: e2a_session=s\r\nAuthorization: Bearer k\r\n" REST),
		  SLICE_INIT("k"), SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT(BARE "Cookie: e2a_session=s\r\nAuthorization: Bearer \r\n" REST),
		  SLICE_INIT("Bearer"), SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT(BARE "Cookie: e2a_session=s\r\nAuthorization:\r\n" REST),
		  SLICE_INIT(""), SLICE_INIT("s"), SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT(BARE "Cookie: session=s; Xe2a_session=t; e2a_session=\r\n" REST),
		  SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct head head;

		assert_row(i, head_look(rows[i].head, &a, &head) == HEAD_UPGRADE);
		assert_slice_row(head.token, rows[i].token, i);
		assert_slice_row(head.session, rows[i].session, i);
		assert_slice_row(head.origin.origin, rows[i].origin, i);
		assert_slice_row(head.origin.sec_fetch_site, rows[i].site, i);
		assert_slice_row(head.origin.host, S("h"), i);
	}
}

static void every_cut_of_a_handshake_is_incomplete(void **state)
{
	const struct slice whole = S(LINE REST);

	(void)state;
	for (size_t n = 0; n < whole.n; n++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct head head;

		assert_row(n, head_look(slice_sub(whole, 0, n), &a, &head) == HEAD_MORE);
	}
}

static void all_else_is_plain_http(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT("\r\n\r\n"),
		SLICE_INIT("\n\n"),
		SLICE_INIT("GET / HTTP/1.1\r\n" REST),
		SLICE_INIT("GET /api/health HTTP/1.0\n\n"),
		SLICE_INIT("POST /api/v1/agents/b/ws HTTP/1.1\r\n" REST),
		SLICE_INIT("GET /api/v1/agents/b/ws HTTP/1.0\r\n" REST),
		SLICE_INIT("GET  /api/v1/agents/b/ws HTTP/1.1\r\n" REST),
		SLICE_INIT("GET /api/v1/agents//ws HTTP/1.1\r\n" REST),
		SLICE_INIT("GET /api/v1/agents/b/ws/ HTTP/1.1\r\n" REST),
		SLICE_INIT("GET /api/v1//agents/b/ws HTTP/1.1\r\n" REST),
		SLICE_INIT("GET http://h/api/v1/agents/b/ws HTTP/1.1\r\n" REST),
		SLICE_INIT(LINE UPGRADE VERSION KEY "\r\n"),           /* no Host */
		SLICE_INIT(LINE HOST HOST UPGRADE VERSION KEY "\r\n"), /* two */
		SLICE_INIT(LINE HOST VERSION KEY "\r\n"),
		SLICE_INIT(LINE HOST UPGRADE KEY "\r\n"),
		SLICE_INIT(LINE HOST UPGRADE "Sec-WebSocket-Version: 8\r\n" KEY "\r\n"),
		SLICE_INIT(LINE HOST UPGRADE VERSION "\r\n"),
		SLICE_INIT(LINE HOST UPGRADE VERSION KEY KEY "\r\n"),
		SLICE_INIT(LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n"),
		SLICE_INIT(LINE "Sec-WebSocket-Protocol: chat\r\n" REST),
		SLICE_INIT(LINE "Content-Length: 0\r\n" REST),
		SLICE_INIT(LINE "Transfer-Encoding: chunked\r\n" REST),
		SLICE_INIT(LINE "Authorization: a\r\nAuthorization: b\r\n" REST),
		SLICE_INIT(BARE "Cookie: a=b\r\nCookie: e2a_session=s\r\n" REST),
		SLICE_INIT(BARE "Cookie: \r\ncookie: e2a_session=s\r\n" REST),
		SLICE_INIT(BARE "Origin: https://e2a.example\r\nOrigin: null\r\n" REST),
		SLICE_INIT(BARE
			   "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: same-origin\r\n" REST),
		SLICE_INIT(LINE "Bad Name: x\r\n" REST),
		SLICE_INIT(LINE "Name : x\r\n" REST),
		SLICE_INIT(LINE "no colon\r\n" REST),
		SLICE_INIT(LINE "X: y\r\n folded\r\n" REST),
		SLICE_INIT(LINE "X: \0\r\n" REST),
		SLICE_INIT(LINE "X: a\rb\r\n" REST),
		SLICE_INIT(LINE "X: y\n" REST),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct head head;

		assert_row(i, head_look(rows[i], &a, &head) == HEAD_HTTP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake_yields_agent_and_token),
		cmocka_unit_test(a_cookie_counts_where_no_key_is_shown),
		cmocka_unit_test(every_cut_of_a_handshake_is_incomplete),
		cmocka_unit_test(all_else_is_plain_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
