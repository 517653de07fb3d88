/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL behind the few operations we use. No key or plain text may stay on the stack. */
#include "common/base/crypto.h"

#include "common/base/mem.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <sys/random.h>

enum { NONCE_LEN = 12, TAG_LEN = 16 };

/* A failure inside OpenSSL is out of memory or a broken installation. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

struct sha256 *sha256_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL));
	return (struct sha256 *)ctx;
}

void sha256_add(struct sha256 *h, struct slice s)
{
	must(EVP_DigestUpdate((EVP_MD_CTX *)h, s.p, s.n));
}

void sha256_finish(struct sha256 *h, uint8_t ret[SHA256_LEN])
{
	must(EVP_DigestFinal_ex((EVP_MD_CTX *)h, ret, NULL));
	sha256_free(h);
}

void sha256_free(struct sha256 *h)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)h);
}

void crypto_sha256(struct slice data, uint8_t ret[SHA256_LEN])
{
	must(EVP_Digest(data.p, data.n, ret, NULL, EVP_sha256(), NULL));
}

void crypto_sha256_hex(struct slice data, char ret[SHA256_HEX_LEN + 1])
{
	uint8_t digest[SHA256_LEN];

	crypto_sha256(data, digest);
	hex_text(digest, sizeof(digest), ret);
}

void crypto_hmac_sha256(struct slice key, struct slice data, uint8_t ret[SHA256_LEN])
{
	const char *p = key.p ? key.p : ""; /* HMAC() refuses NULL */

	must(key.n <= INT32_MAX &&
	     HMAC(EVP_sha256(), p, (int)key.n, (const unsigned char *)data.p, data.n, ret, NULL));
}

void crypto_hkdf(struct slice secret, struct slice label, uint8_t ret[CRYPTO_KEY_LEN])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	char digest[] = "SHA256";
	/* OSSL_PARAM takes non-const pointers that it only reads. */
	char *key = mem_dup(secret.p, secret.n);
	char *info = mem_dup(label.p, label.n);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, secret.n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, label.n),
		OSSL_PARAM_construct_end(),
	};

	must(ctx && EVP_KDF_derive(ctx, ret, CRYPTO_KEY_LEN, params) > 0);
	crypto_wipe(key, secret.n);
	free(key);
	free(info);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static EVP_CIPHER_CTX *gcm_new(const uint8_t *key, const uint8_t *nonce, bool encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	must(ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt));
	return ctx;
}

/* The version is authenticated too, in front of what the caller binds. */
static bool gcm_bind(EVP_CIPHER_CTX *ctx, uint8_t key_version, struct slice aad)
{
	int n;

	return EVP_CipherUpdate(ctx, NULL, &n, &key_version, 1) &&
	       EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)aad.p, (int)aad.n);
}

void crypto_seal(const uint8_t key[CRYPTO_KEY_LEN], uint8_t key_version, struct slice aad,
		 struct slice plain, struct buf *ret)
{
	uint8_t nonce[NONCE_LEN], tag[TAG_LEN];
	char *cipher = mem_alloc(plain.n + 1);
	EVP_CIPHER_CTX *ctx;
	int n;

	must(plain.n <= INT32_MAX && aad.n <= INT32_MAX);
	crypto_random(nonce, sizeof(nonce));
	ctx = gcm_new(key, nonce, true);
	must(gcm_bind(ctx, key_version, aad) &&
	     EVP_EncryptUpdate(ctx, (uint8_t *)cipher, &n, (const uint8_t *)plain.p,
			       (int)plain.n) &&
	     EVP_EncryptFinal_ex(ctx, (uint8_t *)cipher + n, &n) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag));
	EVP_CIPHER_CTX_free(ctx);
	buf_add(ret, &key_version, 1);
	buf_add(ret, nonce, sizeof(nonce));
	buf_add(ret, cipher, plain.n);
	buf_add(ret, tag, sizeof(tag));
	free(cipher);
}

enum err crypto_open(const uint8_t key[CRYPTO_KEY_LEN], struct slice aad, struct slice sealed,
		     struct buf *ret)
{
	struct slice nonce = slice_sub(sealed, 1, 1 + NONCE_LEN);
	uint8_t tag[TAG_LEN];
	EVP_CIPHER_CTX *ctx;
	struct slice cipher;
	char *plain;
	bool ok;
	int n;

	if (sealed.n < CRYPTO_SEAL_OVERHEAD || sealed.n > INT32_MAX || aad.n > INT32_MAX)
		return ERR_CRYPTO;
	cipher = slice_sub(sealed, 1 + NONCE_LEN, sealed.n - TAG_LEN);
	memcpy(tag, sealed.p + sealed.n - TAG_LEN, TAG_LEN);
	plain = mem_alloc(cipher.n + 1);
	ctx = gcm_new(key, (const uint8_t *)nonce.p, false);
	ok = gcm_bind(ctx, (uint8_t)sealed.p[0], aad) &&
	     EVP_DecryptUpdate(ctx, (uint8_t *)plain, &n, (const uint8_t *)cipher.p,
			       (int)cipher.n) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) &&
	     EVP_DecryptFinal_ex(ctx, (uint8_t *)plain + n, &n) > 0;
	EVP_CIPHER_CTX_free(ctx);
	if (ok)
		buf_add(ret, plain, cipher.n);
	crypto_wipe(plain, cipher.n);
	free(plain);
	return ok ? buf_check(ret) : ERR_CRYPTO;
}

void crypto_random(void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		must(got > 0);
		at += got;
		n -= (size_t)got;
	}
}

bool crypto_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void crypto_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}
