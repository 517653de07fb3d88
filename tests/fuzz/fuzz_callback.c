/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes to the login's port. However it is cut the result is the same, and no key is taken
 * without the state; one that is made well is.
 */
#include "tests/fuzz/fuzz.h"

#include "cli/callback.h"
#include "common/base/encode.h"
#include "common/base/mem.h"

#define STATE S("0123456789abcdef0123456789abcdef")

static enum callback_result feed(struct callback *c, struct slice in, size_t step)
{
	enum callback_result got = CALLBACK_MORE;

	callback_init(c, STATE);
	for (size_t at = 0; at < in.n && got == CALLBACK_MORE; at += step)
		got = callback_feed(c, slice_sub(in, at, at + step));
	return got;
}

static void check_found(const struct callback *c, enum callback_result got, struct slice in)
{
	const char *answer;

	if (got == CALLBACK_MORE)
		return;
	answer = callback_answer(c, got);
	FUZZ_CHECK(slice_starts(slice_str(answer), S("HTTP/1.1 ")));
	if (got == CALLBACK_OTHER)
		return;
	FUZZ_CHECK(slice_starts(in, S("POST ")) && slice_search(in, S("cli_state")) > 0);
	FUZZ_CHECK(got == CALLBACK_DENIED ? c->error.n > 0 : slice_starts(c->api_key, S("e2a_")));
	FUZZ_CHECK(got == CALLBACK_DENIED || !slice_has_ctl(c->api_key));
}

static void check_made(struct slice value)
{
	AUTO(buf_release) struct buf in = BUF_INIT(1 << 20), form = BUF_INIT(1 << 20);
	AUTO(callback_release) struct callback c;

	callback_init(&c, STATE);
	buf_add_str(&form, "cli_state=");
	buf_add_slice(&form, STATE);
	buf_add_str(&form, "&error=");
	percent_encode(value, &form);
	if (form.len > CALLBACK_BODY_MAX || value.n == 0)
		return;
	buf_addf(&in, "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", form.len);
	buf_add_slice(&in, buf_slice(&form));
	FUZZ_CHECK(callback_feed(&c, buf_slice(&in)) == CALLBACK_DENIED);
	FUZZ_CHECK(slice_eq(c.error, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(callback_release) struct callback whole, cut;
	struct slice in = slice_of((const char *)data, size);
	enum callback_result a = feed(&whole, in, size + 1), b = feed(&cut, in, 7);

	check_found(&whole, a, in);
	/* bytes behind a request that is whole already may make it too big */
	if (whole.status != 413 && whole.status != 431)
		FUZZ_CHECK(a == b && whole.status == cut.status);
	check_made(in);
	return 0;
}
