/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors, and sealed text that was touched anywhere. */
#include "common/base/crypto.h"
#include "tests/unit/test.h"

static const uint8_t key[CRYPTO_KEY_LEN] = { 1, 2, 3 };

static void assert_hex(const uint8_t *got, size_t n, const char *want)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	hex_encode(slice_of((const char *)got, n), &b);
	assert_string_equal(buf_cstr(&b), want);
}

static void sha256_has_the_digests_of_fips_180(void **state)
{
	static const struct {
		struct slice text;
		const char *want;
	} rows[] = {
		{ { NULL, 0 }, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ SLICE_INIT("abc"),
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ SLICE_INIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char hex[SHA256_HEX_LEN + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		crypto_sha256_hex(rows[i].text, hex);
		assert_string_equal(hex, rows[i].want);
	}
}

static void running_hash_equals_the_hash_of_the_whole(void **state)
{
	struct sha256 *h = sha256_new();
	uint8_t got[SHA256_LEN];

	(void)state;
	sha256_add(h, S("a"));
	sha256_add(h, slice_of(NULL, 0));
	sha256_add(h, S("bc"));
	sha256_finish(h, got);
	assert_hex(got, SHA256_LEN,
		   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_free(NULL);
	sha256_free(sha256_new());
}

static void hmac_has_the_vectors_of_rfc_4231(void **state)
{
	static const struct {
		int key_byte;
		size_t key_len;
		struct slice key, data;
		const char *want;
	} rows[] = {
		{ 0x0b,
		  20,
		  { NULL, 0 },
		  SLICE_INIT("Hi There"),
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ 0, 0, SLICE_INIT("Jefe"), SLICE_INIT("what do ya want for nothing?"),
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ 0xaa,
		  131,
		  { NULL, 0 },
		  SLICE_INIT("Test Using Larger Than Block-Size Key - Hash Key First"),
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
		{ 0xaa,
		  131,
		  { NULL, 0 },
		  SLICE_INIT("This is a test using a larger than block-size key and a larger "
			     "than block-size data. The key needs to be hashed before being used "
			     "by the HMAC algorithm."),
		  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
		{ 0,
		  0,
		  { NULL, 0 },
		  { NULL, 0 },
		  "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t got[SHA256_LEN];
		char filled[131];
		struct slice k = rows[i].key;

		if (rows[i].key_len) {
			memset(filled, rows[i].key_byte, sizeof(filled));
			k = slice_of(filled, rows[i].key_len);
		}
		crypto_hmac_sha256(k, rows[i].data, got);
		assert_hex(got, SHA256_LEN, rows[i].want);
	}
}

static void hkdf_without_salt_has_the_vector_of_rfc_5869(void **state)
{
	static const char secret[] = "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
				     "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b";
	uint8_t got[CRYPTO_KEY_LEN];

	(void)state; /* A.3; its first 32 bytes */
	crypto_hkdf(S(secret), S(""), got);
	assert_hex(got, sizeof(got),
		   "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

static void hkdf_labels_give_unrelated_keys(void **state)
{
	uint8_t a[CRYPTO_KEY_LEN], b[CRYPTO_KEY_LEN];

	(void)state;
	crypto_hkdf(S("secret"), S("one"), a);
	crypto_hkdf(S("secret"), S("two"), b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void sealed_text_opens_only_untouched(void **state)
{
	AUTO(buf_release) struct buf sealed = BUF_INIT(200), plain = BUF_INIT(200);

	(void)state;
	crypto_seal(key, 1, S("row 1"), S("a\0secret"), &sealed);
	assert_int_equal(sealed.len, 8 + CRYPTO_SEAL_OVERHEAD);
	assert_int_equal(sealed.p[0], 1);
	for (size_t i = 0; i < sealed.len; i++) {
		sealed.p[i] ^= 1;
		assert_row(i,
			   crypto_open(key, S("row 1"), buf_slice(&sealed), &plain) == ERR_CRYPTO);
		sealed.p[i] ^= 1;
	}
	for (size_t n = 0; n < sealed.len; n++)
		assert_row(n, crypto_open(key, S("row 1"), slice_sub(buf_slice(&sealed), 0, n),
					  &plain) == ERR_CRYPTO);
	assert_int_equal(plain.len, 0);
	assert_int_equal(crypto_open(key, S("row 1"), buf_slice(&sealed), &plain), OK);
	assert_slice(buf_slice(&plain), S("a\0secret"));
}

static void sealed_text_is_bound_to_its_key_and_place(void **state)
{
	static const uint8_t other[CRYPTO_KEY_LEN] = { 9 };
	AUTO(buf_release) struct buf sealed = BUF_INIT(200), plain = BUF_INIT(200);

	(void)state;
	crypto_seal(key, 1, S("row 1"), S("secret"), &sealed);
	assert_int_equal(crypto_open(other, S("row 1"), buf_slice(&sealed), &plain), ERR_CRYPTO);
	assert_int_equal(crypto_open(key, S("row 2"), buf_slice(&sealed), &plain), ERR_CRYPTO);
	assert_int_equal(crypto_open(key, S(""), buf_slice(&sealed), &plain), ERR_CRYPTO);
	assert_int_equal(plain.len, 0);
}

static void nothing_can_be_sealed_and_opened(void **state)
{
	AUTO(buf_release) struct buf sealed = BUF_INIT(200), plain = BUF_INIT(200);
	struct slice none = { NULL, 0 };

	(void)state;
	crypto_seal(key, 7, none, none, &sealed);
	assert_int_equal(sealed.len, CRYPTO_SEAL_OVERHEAD);
	assert_int_equal(crypto_open(key, none, buf_slice(&sealed), &plain), OK);
	assert_int_equal(plain.len, 0);
}

static void sealing_twice_gives_two_texts(void **state)
{
	AUTO(buf_release) struct buf a = BUF_INIT(200), b = BUF_INIT(200);

	(void)state;
	crypto_seal(key, 1, S("row"), S("secret"), &a);
	crypto_seal(key, 1, S("row"), S("secret"), &b);
	assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
}

static void opening_respects_the_ceiling(void **state)
{
	AUTO(buf_release) struct buf sealed = BUF_INIT(200), plain = BUF_INIT(5);

	(void)state;
	crypto_seal(key, 1, S("row"), S("secret"), &sealed);
	assert_int_equal(crypto_open(key, S("row"), buf_slice(&sealed), &plain), ERR_TOO_BIG);
}

static void equality_needs_length_and_content(void **state)
{
	(void)state;
	assert_true(crypto_equal(S("abc"), S("abc")));
	assert_true(crypto_equal(S(""), slice_of(NULL, 0)));
	assert_false(crypto_equal(S("abc"), S("abd")));
	assert_false(crypto_equal(S("abc"), S("ab")));
	assert_false(crypto_equal(S("a\0b"), S("a\0c")));
}

static void random_bytes_of_a_large_request_differ(void **state)
{
	char a[1000] = { 0 }, b[1000] = { 0 };

	(void)state;
	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	crypto_random(a, 0);
	assert_memory_not_equal(a + 900, b + 900, 100);
}

static void wiped_memory_is_zero(void **state)
{
	char a[16], zero[16] = { 0 };

	(void)state;
	memset(a, 7, sizeof(a));
	crypto_wipe(a, sizeof(a));
	assert_memory_equal(a, zero, sizeof(a));
}

static void api_key_hash_is_the_published_one(void **state)
{
	char hex[SHA256_HEX_LEN + 1];

	(void)state;
	crypto_sha256_hex(S("e2a_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
			  hex);
	assert_string_equal(hex,
			    "3b95c627c9c8cd59b7bdb9fd99cf50efbd9a16fdac750060fd57f74d5807e940");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_has_the_digests_of_fips_180),
		cmocka_unit_test(running_hash_equals_the_hash_of_the_whole),
		cmocka_unit_test(hmac_has_the_vectors_of_rfc_4231),
		cmocka_unit_test(hkdf_without_salt_has_the_vector_of_rfc_5869),
		cmocka_unit_test(hkdf_labels_give_unrelated_keys),
		cmocka_unit_test(sealed_text_opens_only_untouched),
		cmocka_unit_test(sealed_text_is_bound_to_its_key_and_place),
		cmocka_unit_test(nothing_can_be_sealed_and_opened),
		cmocka_unit_test(sealing_twice_gives_two_texts),
		cmocka_unit_test(opening_respects_the_ceiling),
		cmocka_unit_test(equality_needs_length_and_content),
		cmocka_unit_test(random_bytes_of_a_large_request_differ),
		cmocka_unit_test(wiped_memory_is_zero),
		cmocka_unit_test(api_key_hash_is_the_published_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
