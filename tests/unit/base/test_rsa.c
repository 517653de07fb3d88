/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs: their two texts belong together, and no two are alike. */
#include "common/base/encode.h"
#include "common/base/rsa.h"
#include "tests/unit/test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static void generate(struct buf *ret_private, struct buf *ret_public)
{
	assert_int_equal(rsa_generate(ret_private, ret_public), OK);
}

static EVP_PKEY *read_private(const struct buf *b)
{
	BIO *pem = BIO_new_mem_buf(b->p, (int)b->len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL);

	BIO_free(pem);
	assert_non_null(key);
	return key;
}

static EVP_PKEY *read_public(const struct buf *b)
{
	AUTO(buf_release) struct buf der = BUF_INIT(RSA_PUBLIC_MAX);
	const unsigned char *at;
	EVP_PKEY *key;

	assert_int_equal(base64_decode(buf_slice(b), &der), OK);
	at = (const unsigned char *)der.p;
	key = d2i_PUBKEY(NULL, &at, (long)der.len);
	assert_non_null(key);
	assert_ptr_equal(at, der.p + der.len);
	return key;
}

static void the_two_keys_of_a_pair_belong_together(void **state)
{
	AUTO(buf_release) struct buf private = BUF_INIT(RSA_PRIVATE_MAX);
	AUTO(buf_release) struct buf public = BUF_INIT(RSA_PUBLIC_MAX);
	EVP_PKEY *a, *b;

	(void)state;
	generate(&private, &public);
	a = read_private(&private);
	b = read_public(&public);
	assert_int_equal(EVP_PKEY_get_base_id(a), EVP_PKEY_RSA);
	assert_int_equal(EVP_PKEY_get_bits(a), RSA_BITS);
	assert_int_equal(EVP_PKEY_eq(a, b), 1);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
}

static void the_texts_are_pem_and_one_line_of_base64(void **state)
{
	AUTO(buf_release) struct buf private = BUF_INIT(RSA_PRIVATE_MAX);
	AUTO(buf_release) struct buf public = BUF_INIT(RSA_PUBLIC_MAX);

	(void)state;
	generate(&private, &public);
	assert_true(slice_starts(buf_slice(&private), S("-----BEGIN PRIVATE KEY-----\n")));
	assert_true(slice_ends(buf_slice(&private), S("-----END PRIVATE KEY-----\n")));
	assert_int_equal(public.len, 392);
	assert_true(slice_only(buf_slice(&public), "+/="));
}

static void every_pair_is_another_one(void **state)
{
	AUTO(buf_release) struct buf private = BUF_INIT(2 * RSA_PRIVATE_MAX);
	AUTO(buf_release) struct buf public = BUF_INIT(2 * RSA_PUBLIC_MAX);
	struct slice both;

	(void)state;
	generate(&private, &public);
	generate(&private, &public);
	both = buf_slice(&public);
	assert_false(slice_eq(slice_sub(both, 0, both.n / 2), slice_sub(both, both.n / 2, both.n)));
}

static void a_buffer_that_is_full_is_an_error(void **state)
{
	AUTO(buf_release) struct buf private = BUF_INIT(RSA_PRIVATE_MAX);
	AUTO(buf_release) struct buf small = BUF_INIT(10);

	(void)state;
	assert_int_equal(rsa_generate(&small, &private), ERR_TOO_BIG);
	assert_int_equal(rsa_generate(&private, &small), ERR_TOO_BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_two_keys_of_a_pair_belong_together),
		cmocka_unit_test(the_texts_are_pem_and_one_line_of_base64),
		cmocka_unit_test(every_pair_is_another_one),
		cmocka_unit_test(a_buffer_that_is_full_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
