/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole messages and bare values against the seal. An input is also sealed,
 * as a text and as tags of its own, so that what lies behind the seal is
 * reached; nothing that was not sealed may ever open.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/mail/verdict.h"

#define KEY S("0123456789abcdef0123456789abcdef")
#define OTHER_KEY S("another key of thirty-two bytes!")

static void check_message(struct slice message)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct verdict_claim claim = { S("q"), 1, INT64_MAX };
	struct header h;
	struct verdict v;
	const char *reason = NULL;

	header_parse(message, &a, &h);
	FUZZ_CHECK(verdict_check(message, &h, KEY, &claim, &a, &v, &reason) != OK && reason);
	FUZZ_CHECK(verdict_open(message, KEY, &a, &v) != OK);
}

/* The input as the value of every text. */
static void check_round_trip(struct slice text)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf sealed = BUF_INIT(VERDICT_TEXT_MAX + 1024);
	struct verdict v = { .queue_id = text, .helo = text, .header_from = text, .dkim_n = 1 };
	struct verdict got;

	v.dkim[0] = (struct verdict_dkim){ AUTH_PASS, text, text, text, true, true };
	verdict_seal(&v, KEY, &sealed);
	if (buf_failed(&sealed))
		return;
	FUZZ_CHECK(verdict_open(buf_slice(&sealed), OTHER_KEY, &a, &got) == ERR_CRYPTO);
	FUZZ_CHECK(verdict_open(buf_slice(&sealed), KEY, &a, &got) == OK);
	FUZZ_CHECK(slice_eq(got.queue_id, text) && slice_eq(got.helo, text) &&
		   slice_eq(got.header_from, text) && got.dkim_n == 1 &&
		   slice_eq(got.dkim[0].selector, text));
}

/* The input as tags under a right seal. */
static void check_sealed_tags(struct slice tags)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT(1 << 20);
	uint8_t mac[SHA256_LEN];
	struct verdict v;

	buf_add_str(&text, VERDICT_HEADER ":");
	buf_add_slice(&text, tags);
	buf_add_char(&text, ';');
	crypto_hmac_sha256(KEY, buf_slice(&text), mac);
	buf_consume(&text, sizeof(VERDICT_HEADER ":") - 1);
	buf_add_str(&text, "s=");
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), &text);
	if (verdict_open(buf_slice(&text), KEY, &a, &v) == OK)
		FUZZ_CHECK(v.dkim_n <= VERDICT_DKIM_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of((const char *)data, size);

	check_message(input);
	check_round_trip(input);
	check_sealed_tags(input);
	return 0;
}
