/* SPDX-License-Identifier: Apache-2.0 */
/* RSA key pairs (RFC 8017) as texts, made by OpenSSL 3. */
#ifndef E2A_BASE_RSA_H
#define E2A_BASE_RSA_H

#include "common/base/buf.h"
#include "common/base/err.h"

enum {
	RSA_BITS = 2048,        /* RFC 8301 3.2 */
	RSA_PRIVATE_MAX = 2048, /* bytes of either text, with room to spare */
	RSA_PUBLIC_MAX = 512,
};

/*
 * A new pair, appended. The private key is PKCS #8 in PEM and has to be wiped
 * by the caller; the public key is SubjectPublicKeyInfo (RFC 5280 4.1) in
 * base64 on one line, as DNS records hold it. Takes about 100 ms of a processor. A failure inside
 * OpenSSL aborts, as in crypto.h; ERR_TOO_BIG when a buffer is full.
 */
enum err rsa_generate(struct buf *ret_private, struct buf *ret_public) MUST_CHECK;

#endif
