/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cryptography that e2a uses, over OpenSSL 3: SHA-256, HMAC-SHA-256
 * (RFC 2104), HKDF-SHA-256 (RFC 5869) and AES-256-GCM. A failure inside
 * OpenSSL aborts: it is out of memory or a broken installation, and no caller
 * could do anything about it.
 */
#ifndef E2A_BASE_CRYPTO_H
#define E2A_BASE_CRYPTO_H

#include "common/base/buf.h"
#include "common/base/encode.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

enum {
	CRYPTO_KEY_LEN = 32,
	SHA256_LEN = 32,
	SHA256_HEX_LEN = 64,
	CRYPTO_SEAL_OVERHEAD = 1 + 12 + 16, /* version, nonce, tag */
};

struct sha256; /* a running hash */

struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *h, struct slice s);
/* Writes the digest and frees the hash. */
void sha256_finish(struct sha256 *h, uint8_t ret[SHA256_LEN]);
void sha256_free(struct sha256 *h);

void crypto_sha256(struct slice data, uint8_t ret[SHA256_LEN]);
/* Lower-case hex with a NUL behind it. */
void crypto_sha256_hex(struct slice data, char ret[SHA256_HEX_LEN + 1]);
void crypto_hmac_sha256(struct slice key, struct slice data, uint8_t ret[SHA256_LEN]);
/* A 32-byte key from `secret` for one purpose; the label is the HKDF info. */
void crypto_hkdf(struct slice secret, struct slice label, uint8_t ret[CRYPTO_KEY_LEN]);

/*
 * AES-256-GCM: ret = version byte (`key_version`) | nonce (12) | ciphertext |
 * tag (16). `aad` binds the text to its place (table, row id); the version is
 * bound as well.
 */
void crypto_seal(const uint8_t key[CRYPTO_KEY_LEN], uint8_t key_version, struct slice aad,
		 struct slice plain, struct buf *ret);
/*
 * ERR_CRYPTO when the text was altered, the key or the place is another;
 * ERR_TOO_BIG when the plain text passes the ceiling of *ret.
 */
enum err crypto_open(const uint8_t key[CRYPTO_KEY_LEN], struct slice aad, struct slice sealed,
		     struct buf *ret) MUST_CHECK;

/* Random bytes of the operating system. */
void crypto_random(void *p, size_t n);
/* Compares lengths, then content in constant time. */
bool crypto_equal(struct slice a, struct slice b);
/* Overwrites memory in a way the compiler keeps. */
void crypto_wipe(void *p, size_t n);

#endif
