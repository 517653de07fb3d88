/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 by OpenSSL. No copy of a seed may stay behind but the caller's. */
#include "common/base/ed25519.h"

#include "common/base/crypto.h"

#include <openssl/evp.h>

/* A failure inside OpenSSL is out of memory or a broken installation. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static EVP_PKEY *key_of(const uint8_t seed[ED25519_SEED_LEN])
{
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_LEN);

	must(key != NULL);
	return key;
}

void ed25519_generate(uint8_t ret_seed[ED25519_SEED_LEN], uint8_t ret_public[ED25519_PUBLIC_LEN])
{
	crypto_random(ret_seed, ED25519_SEED_LEN);
	ed25519_public(ret_seed, ret_public);
}

void ed25519_public(const uint8_t seed[ED25519_SEED_LEN], uint8_t ret[ED25519_PUBLIC_LEN])
{
	EVP_PKEY *key = key_of(seed);
	size_t n = ED25519_PUBLIC_LEN;

	must(EVP_PKEY_get_raw_public_key(key, ret, &n) > 0 && n == ED25519_PUBLIC_LEN);
	EVP_PKEY_free(key);
}

void ed25519_sign(const uint8_t seed[ED25519_SEED_LEN], struct slice data,
		  uint8_t ret[ED25519_SIGNATURE_LEN])
{
	EVP_PKEY *key = key_of(seed);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = ED25519_SIGNATURE_LEN;

	must(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) > 0 &&
	     EVP_DigestSign(ctx, ret, &n, (const unsigned char *)data.p, data.n) > 0 &&
	     n == ED25519_SIGNATURE_LEN);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}
