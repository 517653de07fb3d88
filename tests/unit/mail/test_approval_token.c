/* SPDX-License-Identifier: Apache-2.0 */
/* A token fits one act of one reviewer on one draft, and nothing else looks like one. */
#include "common/mail/approval_token.h"

#include "common/base/encode.h"
#include "common/base/mem.h"
#include "tests/unit/test.h"

#define SECRET S("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
#define MESSAGE S("msg_00112233445566778899aabbccddeeff")
#define EXPIRY 1768473600
#define APPROVE_PAYLOAD "bXNnXzAwMTEyMjMzNDQ1NTY2Nzc4ODk5YWFiYmNjZGRlZWZmfGFwcHJvdmV8MTc2ODQ3MzYwMA"
#define APPROVE_MAC "mWQVbSWxQ57KTQ0oImq-pZ3cPBNqecOCylOnluSiaXs"
#define APPROVE APPROVE_PAYLOAD "." APPROVE_MAC
#define REJECT                                                                                     \
	"bXNnXzAwMTEyMjMzNDQ1NTY2Nzc4ODk5YWFiYmNjZGRlZWZmfHJlamVjdHwxNzY4NDczNjAw."                \
	"lK9O_BXZRH_ZS5I5cHNdQ2ry7Uc22JcX5x1BOHqKddE"

static const struct {
	enum approval_action action;
	struct slice token;
} vectors[] = {
	{ APPROVAL_APPROVE, SLICE_INIT(APPROVE) },
	{ APPROVAL_REJECT, SLICE_INIT(REJECT) },
};

static void a_token_has_the_form_that_clients_know(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		AUTO(buf_release) struct buf got = BUF_INIT(APPROVAL_TOKEN_MAX);

		approval_token_make(SECRET, MESSAGE, vectors[i].action, EXPIRY, &got);
		assert_slice(buf_slice(&got), vectors[i].token);
	}
}

static void what_was_made_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct approval_token t;

		assert_int_equal(approval_token_read(vectors[i].token, &a, &t), OK);
		assert_slice(t.message_id, MESSAGE);
		assert_int_equal(t.action, vectors[i].action);
		assert_int_equal(t.expires_s, EXPIRY);
		assert_true(approval_token_is(SECRET, &t));
	}
}

static void a_token_is_that_of_one_key(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct approval_token t;

	(void)state;
	assert_int_equal(approval_token_read(S(APPROVE), &a, &t), OK);
	assert_false(approval_token_is(
		S("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee"), &t));
	assert_false(approval_token_is(S(""), &t));
	t.mac[SHA256_LEN - 1] ^= 1;
	assert_false(approval_token_is(SECRET, &t));
}

static void the_payload_of_one_does_not_go_with_the_mac_of_another(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf mixed = BUF_INIT(APPROVAL_TOKEN_MAX);
	struct slice reject = S(REJECT);
	struct approval_token t;

	(void)state;
	buf_add_slice(&mixed, S(APPROVE_PAYLOAD));
	buf_add_slice(&mixed, slice_sub(reject, (size_t)slice_find(reject, '.'), reject.n));
	assert_int_equal(approval_token_read(buf_slice(&mixed), &a, &t), OK);
	assert_false(approval_token_is(SECRET, &t));
}

/* ---- what is none ---- */

static void texts_of_another_form_are_no_tokens(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("."),
		SLICE_INIT(".."),
		SLICE_INIT("no dot"),
		SLICE_INIT(APPROVE_PAYLOAD),
		SLICE_INIT(APPROVE_PAYLOAD "."),
		SLICE_INIT("." APPROVE_MAC),
		SLICE_INIT(APPROVE "."),
		SLICE_INIT("." APPROVE),
		SLICE_INIT(APPROVE " "),
		SLICE_INIT(" " APPROVE),
		SLICE_INIT(APPROVE "\0"),
		SLICE_INIT(APPROVE "="),
		SLICE_INIT(APPROVE_PAYLOAD "==." APPROVE_MAC),
		SLICE_INIT(APPROVE_PAYLOAD ".." APPROVE_MAC),
		SLICE_INIT(APPROVE_PAYLOAD "." APPROVE_MAC "." APPROVE_MAC),
		SLICE_INIT("!!!." APPROVE_MAC),
		SLICE_INIT(APPROVE_PAYLOAD ".!!!"),
		SLICE_INIT(APPROVE_PAYLOAD ".YQ"),                /* one byte */
		SLICE_INIT(APPROVE_PAYLOAD "." APPROVE_MAC "AA"), /* 33 bytes */
		/* the same bytes with trailing bits, and in the other alphabet */
		SLICE_INIT(APPROVE_PAYLOAD ".mWQVbSWxQ57KTQ0oImq-pZ3cPBNqecOCylOnluSiaXt"),
		SLICE_INIT(APPROVE_PAYLOAD ".mWQVbSWxQ57KTQ0oImq+pZ3cPBNqecOCylOnluSiaXs"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct approval_token t = { .expires_s = -1 };

		assert_int_equal(approval_token_read(rows[i], &a, &t), ERR_INPUT);
		assert_int_equal(t.expires_s, -1);
	}
}

/* With the right key, so that only the payload can be what is wrong. */
static void wrap(struct slice payload, struct buf *ret)
{
	uint8_t mac[SHA256_LEN];

	crypto_hmac_sha256(SECRET, payload, mac);
	base64url_encode(payload, ret);
	buf_add_char(ret, '.');
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), ret);
}

static void a_payload_has_exactly_three_good_fields(void **state)
{
	static const struct {
		struct slice payload;
		enum err want;
	} rows[] = {
		{ SLICE_INIT("msg_1|approve|1768473600"), OK },
		{ SLICE_INIT("msg_1|reject|0"), OK },
		{ SLICE_INIT(""), ERR_INPUT },
		{ SLICE_INIT("msg_1"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|1768473600|"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|1768473600|x"), ERR_INPUT },
		{ SLICE_INIT("|approve|1768473600"), ERR_INPUT },
		{ SLICE_INIT("msg_1||1768473600"), ERR_INPUT },
		{ SLICE_INIT("a\nmsg_1|approve|1768473600"), ERR_INPUT },
		{ SLICE_INIT("msg_1|Approve|1768473600"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve |1768473600"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve\0|1768473600"), ERR_INPUT },
		{ SLICE_INIT("msg_1|reply|1768473600"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|soon"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|-1"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|+1"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve| 1"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|1\n"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|0x10"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|999999999999"), OK },
		{ SLICE_INIT("msg_1|approve|1000000000000"), ERR_INPUT },
		{ SLICE_INIT("msg_1|approve|99999999999999999999999"), ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf token = BUF_INIT(APPROVAL_TOKEN_MAX);
		struct approval_token t;

		wrap(rows[i].payload, &token);
		assert_int_equal(approval_token_read(buf_slice(&token), &a, &t), rows[i].want);
	}
}

static void a_token_that_is_too_long_is_none(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf long_one = BUF_INIT(APPROVAL_TOKEN_MAX + 1);
	struct approval_token t;

	(void)state;
	buf_add_str(&long_one, APPROVE);
	while (long_one.len <= APPROVAL_TOKEN_MAX)
		buf_add_char(&long_one, 'A');
	assert_int_equal(approval_token_read(buf_slice(&long_one), &a, &t), ERR_INPUT);
}

/* ---- what a key is bound to ---- */

#define DEPLOYMENT S("the key of this deployment")
#define NONCE "0123456789abcdef"
#define DRAFT "0123456789abcdef0123456789abcdef"

static const struct approval_binding bound = {
	SLICE_INIT("usr_1"), SLICE_INIT("msg_1"), SLICE_INIT("eve@world.example"),
	SLICE_INIT(NONCE),   SLICE_INIT(DRAFT),
};

/* Made by a Python program that knows no more than that each of them has its length before it. */
static void keys_are_what_they_always_were(void **state)
{
	uint8_t key[CRYPTO_KEY_LEN];
	char hex[2 * CRYPTO_KEY_LEN + 1], reply[APPROVAL_REPLY_HEX_LEN + 1];

	(void)state;
	approval_key(DEPLOYMENT, &bound, key);
	hex_text(key, sizeof(key), hex);
	assert_string_equal(hex,
			    "7d287b0d0d1d461cb9947dfaf3f47f3a8891fa206025c01af1997e37c3ba37d0");
	approval_reply_token(DEPLOYMENT, &bound, reply);
	assert_string_equal(reply, "2523b87de4debb73f472bd883d1ce74c");
}

static void another_binding_has_another_key(void **state)
{
	static const struct {
		struct slice deployment;
		struct approval_binding b;
	} rows[] = {
		{ SLICE_INIT("the key of that deployment"),
		  { SLICE_INIT("usr_1"), SLICE_INIT("msg_1"), SLICE_INIT("eve@world.example"),
		    SLICE_INIT(NONCE), SLICE_INIT(DRAFT) } },
		{ SLICE_INIT("the key of this deployment"),
		  { SLICE_INIT("usr_2"), SLICE_INIT("msg_1"), SLICE_INIT("eve@world.example"),
		    SLICE_INIT(NONCE), SLICE_INIT(DRAFT) } },
		{ SLICE_INIT("the key of this deployment"),
		  { SLICE_INIT("usr_1"), SLICE_INIT("msg_2"), SLICE_INIT("eve@world.example"),
		    SLICE_INIT(NONCE), SLICE_INIT(DRAFT) } },
		{ SLICE_INIT("the key of this deployment"),
		  { SLICE_INIT("usr_1"), SLICE_INIT("msg_1"), SLICE_INIT("Eve@world.example"),
		    SLICE_INIT(NONCE), SLICE_INIT(DRAFT) } },
		{ SLICE_INIT("the key of this deployment"),
		  { SLICE_INIT("usr_1"), SLICE_INIT("msg_1"), SLICE_INIT("eve@world.example"),
		    SLICE_INIT("0123456789abcdeF"), SLICE_INIT(DRAFT) } },
		{ SLICE_INIT("the key of this deployment"),
		  { SLICE_INIT("usr_1"), SLICE_INIT("msg_1"), SLICE_INIT("eve@world.example"),
		    SLICE_INIT(NONCE), SLICE_INIT("0123456789abcdef0123456789abcdeF") } },
		/* the same bytes, cut elsewhere */
		{ SLICE_INIT("the key of this deployment"),
		  { SLICE_INIT("usr_1m"), SLICE_INIT("sg_1"), SLICE_INIT("eve@world.example"),
		    SLICE_INIT(NONCE), SLICE_INIT(DRAFT) } },
		{ SLICE_INIT("the key of this deployment"),
		  { SLICE_INIT("usr_1"), SLICE_INIT("msg_1eve"), SLICE_INIT("@world.example"),
		    SLICE_INIT(NONCE), SLICE_INIT(DRAFT) } },
	};
	uint8_t key[CRYPTO_KEY_LEN], other[CRYPTO_KEY_LEN];
	char reply[APPROVAL_REPLY_HEX_LEN + 1], other_reply[APPROVAL_REPLY_HEX_LEN + 1];

	(void)state;
	approval_key(DEPLOYMENT, &bound, key);
	approval_reply_token(DEPLOYMENT, &bound, reply);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		approval_key(rows[i].deployment, &rows[i].b, other);
		assert_memory_not_equal(key, other, sizeof(key));
		approval_reply_token(rows[i].deployment, &rows[i].b, other_reply);
		assert_string_not_equal(reply, other_reply);
	}
}

static void the_token_of_an_answer_says_nothing_about_the_key_of_links(void **state)
{
	uint8_t key[CRYPTO_KEY_LEN];
	char hex[2 * CRYPTO_KEY_LEN + 1], reply[APPROVAL_REPLY_HEX_LEN + 1];

	(void)state;
	approval_key(DEPLOYMENT, &bound, key);
	hex_text(key, sizeof(key), hex);
	approval_reply_token(DEPLOYMENT, &bound, reply);
	assert_int_equal(strlen(reply), APPROVAL_REPLY_HEX_LEN);
	assert_null(strstr(hex, reply));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_has_the_form_that_clients_know),
		cmocka_unit_test(what_was_made_is_read),
		cmocka_unit_test(a_token_is_that_of_one_key),
		cmocka_unit_test(the_payload_of_one_does_not_go_with_the_mac_of_another),
		cmocka_unit_test(texts_of_another_form_are_no_tokens),
		cmocka_unit_test(a_payload_has_exactly_three_good_fields),
		cmocka_unit_test(a_token_that_is_too_long_is_none),
		cmocka_unit_test(keys_are_what_they_always_were),
		cmocka_unit_test(another_binding_has_another_key),
		cmocka_unit_test(the_token_of_an_answer_says_nothing_about_the_key_of_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
