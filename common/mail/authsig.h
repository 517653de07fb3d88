/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is signed for an agent: the X-E2A-Auth-* set (docs/api.md) and the
 * Standard Webhooks headers (https://www.standardwebhooks.com, symmetric v1 and
 * asymmetric v1a).
 */
#ifndef E2A_MAIL_AUTHSIG_H
#define E2A_MAIL_AUTHSIG_H

#include "common/base/buf.h"
#include "common/base/crypto.h"
#include "common/base/jsonf.h"
#include "common/base/slice.h"

struct authsig {
	bool verified;
	struct slice sender;
	struct slice entity_type; /* "human" or "agent" */
	struct slice domain_check;
	struct slice delegation; /* empty = absent */
	int64_t time_us;
	struct slice message_id;
	struct slice body_hash; /* lower-case hex SHA-256 of the raw message */
};

/*
 * Every text is signed and shown as valid UTF-8 without CR, LF and NUL, and
 * cut at 4096 bytes; signature, JSON and headers always agree.
 */

/* The canonical string: eight fields joined by LF. */
void authsig_canonical(const struct authsig *s, struct buf *ret);
/* Lower-case hex HMAC-SHA-256; `secret` is the 64 ASCII bytes. */
void authsig_sign(const struct authsig *s, struct slice secret, char ret[SHA256_HEX_LEN + 1]);
/* Writes the JSON object with the X-E2A-Auth-* keys, signature included. */
void authsig_json(const struct authsig *s, struct slice secret, struct jsonw *w);
/* Calls fn(name, value, arg) for each X-E2A-Auth-* header in the order of docs/api.md. */
void authsig_each(const struct authsig *s, struct slice secret,
		  void (*fn)(const char *name, const char *value, void *arg), void *arg);

/* What signs a webhook. */
struct authsig_keys {
	const struct slice *secrets; /* of HMAC-SHA-256, as they are */
	size_t secrets_n;
	const struct slice *seeds; /* of Ed25519, ED25519_SEED_LEN bytes each */
	size_t seeds_n;
};

/*
 * webhook-signature: "v1,<base64>" per secret and "v1a,<base64>" per seed,
 * separated by one space, over "<id>.<unix seconds>.<body>".
 */
void authsig_webhook(struct slice id, int64_t unix_s, struct slice body,
		     const struct authsig_keys *keys, struct buf *ret);
/* "whsec_" + base64 of the secret: the form those libraries take. */
void authsig_whsec(struct slice secret, struct buf *ret);
/* "whpk_" + base64 of an Ed25519 public key, likewise. */
void authsig_whpk(struct slice public_key, struct buf *ret);

#endif
