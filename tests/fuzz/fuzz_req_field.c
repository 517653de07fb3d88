/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests say of themselves: cookies, forms, X-Forwarded-For, Origin. The
 * input is all of them in turn. What is found must come from the input, and no text
 * may pass for an address or a page of our own that is none.
 */
#include "tests/fuzz/fuzz.h"

#include "apid/origin.h"
#include "apid/req.h"
#include "common/base/mem.h"

static struct settings settings = { .http_header_limit = 1 << 20 };

static bool is_inside(struct slice part, struct slice whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_cookie(struct slice input)
{
	const struct req r = { .field.cookie = input };
	struct slice value = req_cookie(&r, S("s"));

	FUZZ_CHECK(is_inside(value, input));
	FUZZ_CHECK(slice_find(value, ';') < 0);
	if (value.n)
		FUZZ_CHECK(slice_find(input, 's') >= 0);
}

static void check_form(const struct app *app, struct slice input)
{
	struct req *r = req_new(app);
	struct slice value;

	buf_init(&r->body, input.n + 1);
	buf_add_slice(&r->body, input);
	value = req_form(r, S("f"));
	FUZZ_CHECK(value.n <= input.n);
	if (slice_find(input, '=') < 0)
		FUZZ_CHECK(value.n == 0);
	req_free(r);
}

/* However the hops are written, behind a stranger nobody is believed. */
static void check_client(const struct app *app, struct slice input)
{
	const struct client_peer proxy = { .ip = { .b = { 10, 0, 0, 1 }, .n = 4 },
					   .trusted = true };
	const struct client_peer stranger = { .ip = { .b = { 192, 0, 2, 1 }, .n = 4 } };
	AUTO(buf_release) struct buf appended = BUF_INIT(input.n + 100);
	struct netaddr client;
	char text[NETADDR_TEXT_MAX];

	client_addr_find(&stranger, input, &app->trusted_proxies, &client);
	FUZZ_CHECK(client.n == 4 && memcmp(client.b, stranger.ip.b, 4) == 0);
	client_addr_find(&proxy, input, &app->trusted_proxies, &client);
	FUZZ_CHECK(client.n == 4 || client.n == 16);
	client_addr_text(&client, text);
	client_addr_group(&client, &client);
	buf_add_slice(&appended, input);
	buf_add_str(&appended, ", 192.0.2.1");
	client_addr_find(&proxy, buf_slice(&appended), &app->trusted_proxies, &client);
	FUZZ_CHECK(client.n == 4 && memcmp(client.b, stranger.ip.b, 4) == 0);
}

static void check_origin(struct slice input)
{
	const struct origin site = { .sec_fetch_site = input };
	const struct origin origin = { .origin = input, .host = input };

	if (origin_is_own(&site, S("https://e2a.example")))
		FUZZ_CHECK(slice_eq(input, S("same-origin")));
	if (origin_is_own(&origin, S("https://e2a.example")))
		FUZZ_CHECK(slice_istarts(input, S("https://e2a.example")));
	FUZZ_CHECK(!origin_is_own(&origin, S("")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of((const char *)data, size);
	struct app app = { .settings = &settings };

	FUZZ_CHECK(client_proxies_parse(S("10.0.0.0/8"), &app.trusted_proxies, NULL) == OK);
	check_cookie(input);
	check_form(&app, input);
	check_client(&app, input);
	check_origin(input);
	return 0;
}
