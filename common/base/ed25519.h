/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 (RFC 8032 5.1) over OpenSSL 3. A private key is its 32-byte seed. A
 * failure inside OpenSSL aborts, as in crypto.h.
 */
#ifndef E2A_BASE_ED25519_H
#define E2A_BASE_ED25519_H

#include "common/base/slice.h"

#include <stdint.h>

enum { ED25519_SEED_LEN = 32, ED25519_PUBLIC_LEN = 32, ED25519_SIGNATURE_LEN = 64 };

/* A new pair; the caller wipes the seed. */
void ed25519_generate(uint8_t ret_seed[ED25519_SEED_LEN], uint8_t ret_public[ED25519_PUBLIC_LEN]);
void ed25519_public(const uint8_t seed[ED25519_SEED_LEN], uint8_t ret[ED25519_PUBLIC_LEN]);
void ed25519_sign(const uint8_t seed[ED25519_SEED_LEN], struct slice data,
		  uint8_t ret[ED25519_SIGNATURE_LEN]);

#endif
