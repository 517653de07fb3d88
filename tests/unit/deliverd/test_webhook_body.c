/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/ed25519.h"
#include "common/base/encode.h"
#include "common/base/mem.h"
#include "deliverd/webhook_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OLD_SECRET "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define RAW                                                                                        \
	"From: Alice <alice@example.com>\r\nTo: bot@agents.example.com\r\n"                        \
	"Subject: Hello\r\nMessage-ID: <m1@example.com>\r\n\r\nHi bot.\r\n"

static const uint8_t key[CRYPTO_KEY_LEN] = { 1, 2, 3 };

struct fixture {
	struct arena a;
	struct webhook_row row;
	struct slice to[1], secret_ids[2], secrets[2];
	struct webhook_request request;
};

static struct slice sealed(struct fixture *f, struct slice id, struct slice secret)
{
	AUTO(buf_release) struct buf b = BUF_INIT(256);

	crypto_seal(key, 1, id, secret, &b);
	return arena_slice(&f->a, buf_slice(&b));
}

static void begin(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	f->to[0] = S("bot@agents.example.com");
	f->secret_ids[0] = S("wsec_new");
	f->secret_ids[1] = S("wsec_old");
	f->secrets[0] = sealed(f, S("wsec_new"), S(SECRET));
	f->secrets[1] = sealed(f, S("wsec_old"), S(OLD_SECRET));
	f->row = (struct webhook_row){
		.message_id = S("msg_00112233445566778899aabbccddeeff"),
		.recipient = S("bot@agents.example.com"),
		.header_from = S("alice@example.com"),
		.sender = S("alice@example.com"),
		.to = f->to,
		.to_n = 1,
		.verified = true,
		.entity_type = S("human"),
		.domain_check = S("spf=pass; dkim=none"),
		.secret_ids = f->secret_ids,
		.secrets = f->secrets,
		.secrets_n = 2,
		.raw = S(RAW),
	};
	crypto_sha256(f->row.raw, f->row.sha256);
	assert_int_equal(clock_parse_rfc3339(S("2026-01-15T10:30:00.5Z"), &f->row.received_us), OK);
}

static void end(struct fixture *f)
{
	buf_release(&f->request.body);
	arena_release(&f->a);
}

static enum err build(struct fixture *f)
{
	return webhook_request_build(&f->row, key, f->row.received_us, &f->a, &f->request);
}

static const char *header(const struct fixture *f, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < f->request.headers_n; i++)
		if (strncmp(f->request.headers[i], name, n) == 0)
			return f->request.headers[i] + n;
	fail_msg("no header %s", name);
	return "";
}

static void the_body_is_that_of_the_contract(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(build(&f), OK);
	assert_string_equal(
		buf_cstr(&f.request.body),
		"{\"message_id\":\"msg_00112233445566778899aabbccddeeff\","
		"\"from\":\"alice@example.com\",\"to\":[\"bot@agents.example.com\"],"
		"\"recipient\":\"bot@agents.example.com\",\"raw_message\":"
		"\"RnJvbTogQWxpY2UgPGFsaWNlQGV4YW1wbGUuY29tPg0KVG86IGJvdEBhZ2VudHMuZXhhbXBsZS5jb20N"
		"ClN1YmplY3Q6IEhlbGxvDQpNZXNzYWdlLUlEOiA8bTFAZXhhbXBsZS5jb20+DQoNCkhpIGJvdC4NCg==\","
		"\"auth_headers\":{\"X-E2A-Auth-Verified\":\"true\","
		"\"X-E2A-Auth-Sender\":\"alice@example.com\",\"X-E2A-Auth-Entity-Type\":\"human\","
		"\"X-E2A-Auth-Domain-Check\":\"spf=pass; dkim=none\","
		"\"X-E2A-Auth-Timestamp\":\"2026-01-15T10:30:00Z\","
		"\"X-E2A-Auth-Message-Id\":\"msg_00112233445566778899aabbccddeeff\","
		"\"X-E2A-Auth-Body-Hash\":"
		"\"048f315ffb5318e00e6d05b1d8c1fe78bb33de63deec7da12f97e1fae03013bf\","
		"\"X-E2A-Auth-Signature\":"
		"\"92f5bc079153296e2dde1f9a07b19549c726bc2c1d486aa290cfdd3cab6b82d3\"},"
		"\"received_at\":\"2026-01-15T10:30:00.5Z\"}");
	assert_true(slice_eq(f.request.secret_id, S("wsec_new")));
	end(&f);
}

static void optional_fields_appear_when_there_is_something(void **state)
{
	struct slice cc[] = { S("c@example.com") };
	struct fixture f;
	const char *body;

	(void)state;
	begin(&f);
	f.row.cc = f.row.reply_to = cc;
	f.row.cc_n = f.row.reply_to_n = 1;
	f.row.to_n = 0;
	f.row.conversation_id = S("conv_1");
	assert_int_equal(build(&f), OK);
	body = buf_cstr(&f.request.body);
	assert_non_null(strstr(body, "\"conversation_id\":\"conv_1\",\"from\""));
	assert_non_null(strstr(body, "\"reply_to\":[\"c@example.com\"],\"to\":[],"
				     "\"cc\":[\"c@example.com\"],\"recipient\""));
	end(&f);
}

/* The signature of one secret over id, time and the exact body. */
static void want_signature(struct fixture *f, struct slice secret, struct buf *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(16384);
	uint8_t mac[SHA256_LEN];

	buf_addf(&text, "msg_00112233445566778899aabbccddeeff.%s.",
		 header(f, "webhook-timestamp: "));
	buf_add_slice(&text, buf_slice(&f->request.body));
	crypto_hmac_sha256(secret, buf_slice(&text), mac);
	buf_add_str(ret, "v1,");
	base64_encode(slice_of((const char *)mac, sizeof(mac)), ret);
}

static void every_secret_signs_the_exact_body(void **state)
{
	AUTO(buf_release) struct buf want = BUF_INIT(1024);
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(build(&f), OK);
	assert_string_equal(header(&f, "webhook-id: "), "msg_00112233445566778899aabbccddeeff");
	assert_string_equal(header(&f, "webhook-timestamp: "), "1768473000");
	want_signature(&f, S(SECRET), &want);
	buf_add_char(&want, ' ');
	want_signature(&f, S(OLD_SECRET), &want);
	assert_string_equal(header(&f, "webhook-signature: "), buf_cstr(&want));
	assert_string_equal(header(&f, "X-E2A-Auth-Sender: "), "alice@example.com");
	end(&f);
}

#define SEED S("0123456789abcdef0123456789abcdef")

static void a_pair_signs_beside_the_secrets(void **state)
{
	AUTO(buf_release) struct buf want = BUF_INIT(1024);
	AUTO(buf_release) struct buf text = BUF_INIT(16384);
	uint8_t signature[ED25519_SIGNATURE_LEN];
	struct fixture f;

	(void)state;
	begin(&f);
	f.secret_ids[0] = S("wkey_new"); /* newer than the secret, and yet no secret */
	f.secrets[0] = sealed(&f, S("ed25519:wkey_new"), SEED);
	assert_int_equal(build(&f), OK);
	assert_true(slice_eq(f.request.secret_id, S("wsec_old")));
	want_signature(&f, S(OLD_SECRET), &want);
	buf_addf(&text, "msg_00112233445566778899aabbccddeeff.%s.",
		 header(&f, "webhook-timestamp: "));
	buf_add_slice(&text, buf_slice(&f.request.body));
	ed25519_sign((const uint8_t *)SEED.p, buf_slice(&text), signature);
	buf_add_str(&want, " v1a,");
	base64_encode(slice_of((const char *)signature, sizeof(signature)), &want);
	assert_string_equal(header(&f, "webhook-signature: "), buf_cstr(&want));
	end(&f);
}

static void a_pair_is_never_taken_for_a_secret(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	f.secret_ids[0] = S("wkey_new");
	f.secrets[0] = sealed(&f, S("wkey_new"), SEED); /* as secrets are sealed */
	f.secret_ids[1] = S("wsec_old");
	f.secrets[1] = sealed(&f, S("ed25519:wsec_old"), SEED);
	assert_int_equal(build(&f), ERR_CRYPTO);
	end(&f);
	begin(&f);
	f.secret_ids[0] = f.secret_ids[1] = S("wkey_new");
	f.secrets[0] = f.secrets[1] = sealed(&f, S("ed25519:wkey_new"), SEED);
	assert_int_equal(build(&f), ERR_CRYPTO); /* X-E2A-Auth needs a secret */
	end(&f);
}

static void a_later_attempt_changes_signatures_only(void **state)
{
	struct fixture first, later;
	const char *a, *b;

	(void)state;
	begin(&first);
	begin(&later);
	assert_int_equal(build(&first), OK);
	assert_int_equal(webhook_request_build(&later.row, key, later.row.received_us + 300000000,
					       &later.a, &later.request),
			 OK);
	a = strstr(buf_cstr(&first.request.body), "\"auth_headers\"");
	b = strstr(buf_cstr(&later.request.body), "\"auth_headers\"");
	assert_int_equal(a - first.request.body.p, b - later.request.body.p);
	assert_memory_equal(first.request.body.p, later.request.body.p,
			    (size_t)(a - first.request.body.p));
	assert_string_not_equal(a, b);
	assert_string_equal(strstr(a, "\"received_at\""), strstr(b, "\"received_at\""));
	end(&first);
	end(&later);
}

static void a_secret_that_does_not_open_is_left_out(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	f.secrets[0] = f.secrets[1]; /* sealed for the other row */
	assert_int_equal(build(&f), OK);
	assert_true(slice_eq(f.request.secret_id, S("wsec_old")));
	end(&f);
	begin(&f);
	f.row.secrets_n = 0;
	assert_int_equal(build(&f), ERR_CRYPTO);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_body_is_that_of_the_contract),
		cmocka_unit_test(optional_fields_appear_when_there_is_something),
		cmocka_unit_test(every_secret_signs_the_exact_body),
		cmocka_unit_test(a_pair_signs_beside_the_secrets),
		cmocka_unit_test(a_pair_is_never_taken_for_a_secret),
		cmocka_unit_test(a_later_attempt_changes_signatures_only),
		cmocka_unit_test(a_secret_that_does_not_open_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
