/* SPDX-License-Identifier: Apache-2.0 */
/* The signatures that the shipped clients check, byte for byte. */
#include "common/mail/authsig.h"

#include "common/base/mem.h"
#include "common/mail/addr.h"
#include "common/mail/header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECRET S("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
#define RAW                                                                                        \
	S("From: Alice <alice@example.com>\r\nTo: bot@agents.example.com\r\nSubject: Hello\r\n"    \
	  "Message-ID: <m1@example.com>\r\n\r\nHi bot.\r\n")

/* A worked example that other implementations agree with. */
static struct authsig example(void)
{
	return (struct authsig){
		.verified = true,
		.sender = S("alice@example.com"),
		.entity_type = S("human"),
		.domain_check = S("spf=pass; dkim=none"),
		.time_us = 1768473000999999, /* 2026-01-15T10:30:00Z, cut */
		.message_id = S("msg_00112233445566778899aabbccddeeff"),
		.body_hash = S("048f315ffb5318e00e6d05b1d8c1fe78bb33de63deec7da12f97e1fae03013bf"),
	};
}

static void the_raw_message_has_its_known_forms(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b64 = BUF_INIT(1000);
	AUTO(buf_release) struct buf back = BUF_INIT(1000);
	char hash[SHA256_HEX_LEN + 1];
	struct header h;
	struct addr from;

	(void)state;
	assert_int_equal(RAW.n, 118);
	base64_encode(RAW, &b64);
	assert_string_equal(
		buf_cstr(&b64),
		"RnJvbTogQWxpY2UgPGFsaWNlQGV4YW1wbGUuY29tPg0KVG86IGJvdEBhZ2VudHMuZXhhbXBsZS5jb20N"
		"ClN1YmplY3Q6IEhlbGxvDQpNZXNzYWdlLUlEOiA8bTFAZXhhbXBsZS5jb20+DQoNCkhpIGJvdC4NCg==");
	assert_int_equal(base64_decode(buf_slice(&b64), &back), OK);
	assert_true(slice_eq(buf_slice(&back), RAW));
	crypto_sha256_hex(RAW, hash);
	assert_true(slice_eq(slice_str(hash), example().body_hash));
	header_parse(RAW, &a, &h);
	assert_int_equal(addr_author(&h, &a, &from), OK);
	assert_true(slice_eq(from.spec, example().sender));
}

static void the_canonical_string_is_the_known_one(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(1000);
	struct authsig s = example();
	char hash[SHA256_HEX_LEN + 1];

	(void)state;
	authsig_canonical(&s, &text);
	assert_int_equal(text.len, 172);
	crypto_sha256_hex(buf_slice(&text), hash);
	assert_string_equal(hash,
			    "1104d861fd67331944a9a7857082c2f9f21d42a38f328c0784ff6b62aa8761cf");
}

static void signatures_are_the_known_ones(void **state)
{
	struct authsig s = example();
	char hex[SHA256_HEX_LEN + 1];

	(void)state;
	authsig_sign(&s, SECRET, hex);
	assert_string_equal(hex,
			    "92f5bc079153296e2dde1f9a07b19549c726bc2c1d486aa290cfdd3cab6b82d3");
	s.entity_type = S("agent");
	s.domain_check = S("spf=pass; dkim=pass");
	s.delegation = S("agent=agent-123;human=human-456");
	authsig_sign(&s, SECRET, hex);
	assert_string_equal(hex,
			    "2bc6c9b69aa39dc2ee535e52505580140764ef355e9e6851a3ced6e977b2514e");
}

static void a_hex_decoded_secret_would_be_wrong(void **state)
{
	struct authsig s = example();
	char raw[32], hex[SHA256_HEX_LEN + 1];

	(void)state;
	assert_int_equal(hex_decode(SECRET, raw, sizeof(raw)), OK);
	authsig_sign(&s, slice_of(raw, sizeof(raw)), hex);
	assert_true(slice_starts(slice_str(hex), S("74df6f33")));
}

static void the_json_object_has_the_exact_keys(void **state)
{
	AUTO(buf_release) struct buf json = BUF_INIT(4000);
	struct authsig s = example();
	struct jsonw w;

	(void)state;
	jsonw_init(&w, &json);
	authsig_json(&s, SECRET, &w);
	assert_string_equal(
		buf_cstr(&json),
		"{\"X-E2A-Auth-Verified\":\"true\",\"X-E2A-Auth-Sender\":\"alice@example.com\","
		"\"X-E2A-Auth-Entity-Type\":\"human\","
		"\"X-E2A-Auth-Domain-Check\":\"spf=pass; dkim=none\","
		"\"X-E2A-Auth-Timestamp\":\"2026-01-15T10:30:00Z\","
		"\"X-E2A-Auth-Message-Id\":\"msg_00112233445566778899aabbccddeeff\","
		"\"X-E2A-Auth-Body-Hash\":"
		"\"048f315ffb5318e00e6d05b1d8c1fe78bb33de63deec7da12f97e1fae03013bf\","
		"\"X-E2A-Auth-Signature\":"
		"\"92f5bc079153296e2dde1f9a07b19549c726bc2c1d486aa290cfdd3cab6b82d3\"}");
}

static void add_line(const char *name, const char *value, void *arg)
{
	buf_addf(arg, "%s: %s\n", name, value);
}

static void no_value_adds_a_line_and_all_views_agree(void **state)
{
	AUTO(buf_release) struct buf lines = BUF_INIT(4000);
	AUTO(buf_release) struct buf canonical = BUF_INIT(4000);
	AUTO(buf_release) struct buf want = BUF_INIT(4000);
	struct authsig s = example();
	uint8_t mac[SHA256_LEN];

	(void)state;
	s.verified = false;
	s.sender = S("a\r\nX-E2A-Auth-Verified: true\0@\xff.example");
	s.delegation = S("agent=1;human=2");
	authsig_canonical(&s, &canonical);
	assert_int_equal(slice_search(buf_slice(&canonical),
				      S("false\naX-E2A-Auth-Verified: true@\xef\xbf\xbd.example\n"
					"human\n")),
			 0);
	crypto_hmac_sha256(SECRET, buf_slice(&canonical), mac);
	buf_add_str(&want, "X-E2A-Auth-Signature: ");
	hex_encode(slice_of((const char *)mac, sizeof(mac)), &want);
	buf_add_str(&want, "\nX-E2A-Auth-Delegation: agent=1;human=2\n");

	authsig_each(&s, SECRET, add_line, &lines);
	assert_true(slice_starts(
		buf_slice(&lines),
		S("X-E2A-Auth-Verified: false\n"
		  "X-E2A-Auth-Sender: aX-E2A-Auth-Verified: true@\xef\xbf\xbd.example\n")));
	assert_true(slice_ends(buf_slice(&lines), buf_slice(&want)));
}

static void webhook_signatures_are_those_of_standard_webhooks(void **state)
{
	/* The example of the specification, and the same with a second secret. */
	static const struct slice secrets[] = { SLICE_INIT("\xd2\xc2\xb7V"), SLICE_INIT("second") };
	AUTO(buf_release) struct buf want = BUF_INIT(1000);
	uint8_t mac[SHA256_LEN];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		AUTO(buf_release) struct buf got = BUF_INIT(1000);

		authsig_webhook(S("msg_1"), 1614265330, S("{\"test\": 2432232314}"),
				&(struct authsig_keys){ .secrets = secrets, .secrets_n = i + 1 },
				&got);
		crypto_hmac_sha256(secrets[i], S("msg_1.1614265330.{\"test\": 2432232314}"), mac);
		buf_add_str(&want, i ? " v1," : "v1,");
		base64_encode(slice_of((const char *)mac, sizeof(mac)), &want);
		assert_string_equal(buf_cstr(&got), buf_cstr(&want));
	}
}

static void the_published_webhook_example_verifies(void **state)
{
	AUTO(buf_release) struct buf secret = BUF_INIT(100);
	AUTO(buf_release) struct buf got = BUF_INIT(1000);
	struct slice key;

	(void)state;
	assert_int_equal(base64_decode(S("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &secret), OK);
	key = buf_slice(&secret);
	authsig_webhook(S("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330, S("{\"test\": 2432232314}"),
			&(struct authsig_keys){ .secrets = &key, .secrets_n = 1 }, &got);
	assert_string_equal(buf_cstr(&got), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void pairs_sign_behind_the_secrets(void **state)
{
	/* What python3-cryptography makes of the first seed of RFC 8032 7.1. */
	static const struct slice secret = SLICE_INIT("second");
	AUTO(buf_release) struct buf got = BUF_INIT(1000);
	char seed_bytes[32] = "";
	struct slice seeds[] = { slice_of(seed_bytes, 32), slice_of(seed_bytes, 32) };
	struct authsig_keys keys = {
		.secrets = &secret, .secrets_n = 1, .seeds = seeds, .seeds_n = 2
	};

	(void)state;
	assert_int_equal(
		hex_decode(S("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
			   seed_bytes, sizeof(seed_bytes)),
		OK);
	authsig_webhook(S("msg_1"), 1614265330, S("{\"test\": 2432232314}"), &keys, &got);
	assert_string_equal(
		buf_cstr(&got),
		"v1,ty3Lq953icA9WzBHGyeW4Z0fgmnijm3NtsHwbzlYsHQ= "
		"v1a,9R51FvFauxjqIc6hSozSE339O2Fke3xc0nsxhGiPk/kZfMkkMQOlUEgS+zteZmB8WjIzSChY1/lZ0uvG/8M4Dg== "
		"v1a,9R51FvFauxjqIc6hSozSE339O2Fke3xc0nsxhGiPk/kZfMkkMQOlUEgS+zteZmB8WjIzSChY1/lZ0uvG/8M4Dg==");
}

static void a_public_key_is_shown_in_the_form_the_libraries_take(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(1000);

	(void)state;
	authsig_whpk(S("0123456789abcdef0123456789abcdef"), &text);
	assert_string_equal(buf_cstr(&text), "whpk_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
}

static void a_secret_is_shown_in_the_form_the_libraries_take(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT(1000);
	AUTO(buf_release) struct buf back = BUF_INIT(1000);

	(void)state;
	authsig_whsec(SECRET, &text);
	assert_true(slice_starts(buf_slice(&text), S("whsec_MDEyMzQ1")));
	assert_int_equal(base64_decode(slice_sub(buf_slice(&text), 6, text.len), &back), OK);
	assert_true(slice_eq(buf_slice(&back), SECRET));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_raw_message_has_its_known_forms),
		cmocka_unit_test(the_canonical_string_is_the_known_one),
		cmocka_unit_test(signatures_are_the_known_ones),
		cmocka_unit_test(a_hex_decoded_secret_would_be_wrong),
		cmocka_unit_test(the_json_object_has_the_exact_keys),
		cmocka_unit_test(no_value_adds_a_line_and_all_views_agree),
		cmocka_unit_test(webhook_signatures_are_those_of_standard_webhooks),
		cmocka_unit_test(the_published_webhook_example_verifies),
		cmocka_unit_test(pairs_sign_behind_the_secrets),
		cmocka_unit_test(a_public_key_is_shown_in_the_form_the_libraries_take),
		cmocka_unit_test(a_secret_is_shown_in_the_form_the_libraries_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
