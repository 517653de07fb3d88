/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs by OpenSSL. No copy of a private key may stay behind but the caller's. */
#include "common/base/rsa.h"

#include "common/base/encode.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* A failure inside OpenSSL is out of memory or a broken installation. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static void add_private(EVP_PKEY *key, struct buf *ret)
{
	BIO *pem = BIO_new(BIO_s_secmem()); /* wiped when it is freed */
	char *text;
	long n;

	must(pem && PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL));
	n = BIO_get_mem_data(pem, &text);
	must(n > 0);
	buf_add(ret, text, (size_t)n);
	BIO_free(pem);
}

static void add_public(EVP_PKEY *key, struct buf *ret)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);

	must(n > 0);
	base64_encode(slice_of((const char *)der, (size_t)n), ret);
	OPENSSL_free(der);
}

enum err rsa_generate(struct buf *ret_private, struct buf *ret_public)
{
	EVP_PKEY *key = EVP_RSA_gen(RSA_BITS);

	must(key != NULL);
	add_private(key, ret_private);
	add_public(key, ret_public);
	EVP_PKEY_free(key);
	return buf_failed(ret_private) ? ERR_TOO_BIG : buf_check(ret_public);
}
