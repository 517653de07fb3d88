/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of approval links: no text is one that we did not make, whatever it looks like; one
 * that was made comes back as it was, for its key only, and no other text says the same.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/encode.h"
#include "common/base/mem.h"
#include "common/mail/approval_token.h"

#define KEY S("0123456789abcdef0123456789abcdef")
#define OTHER_KEY S("another key of thirty-two bytes!")

static void check_read(struct slice input)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf again = BUF_INIT(APPROVAL_TOKEN_MAX);
	struct approval_token t;

	if (approval_token_read(input, &a, &t))
		return;
	FUZZ_CHECK(!approval_token_is(KEY, &t));
	FUZZ_CHECK(t.message_id.n && slice_find(t.message_id, '|') < 0 &&
		   slice_find(t.message_id, '\n') < 0);
	FUZZ_CHECK(t.expires_s >= 0);
	base64url_encode(t.payload, &again);
	buf_add_char(&again, '.');
	base64url_encode(slice_of((const char *)t.mac, sizeof(t.mac)), &again);
	FUZZ_CHECK(slice_eq(buf_slice(&again), input));
}

/* The input is a message id, where it could be one. */
static void check_made(struct slice id)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf token = BUF_INIT(APPROVAL_TOKEN_MAX);
	struct approval_token t;

	if (id.n == 0 || id.n > 200 || slice_has_ctl(id) || slice_find(id, '|') >= 0)
		return;
	approval_token_make(KEY, id, APPROVAL_REJECT, (int64_t)id.n, &token);
	FUZZ_CHECK(approval_token_read(buf_slice(&token), &a, &t) == OK);
	FUZZ_CHECK(slice_eq(t.message_id, id) && t.action == APPROVAL_REJECT);
	FUZZ_CHECK(t.expires_s == (int64_t)id.n);
	FUZZ_CHECK(approval_token_is(KEY, &t) && !approval_token_is(OTHER_KEY, &t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of((const char *)data, size);

	check_read(input);
	check_made(input);
	return 0;
}
