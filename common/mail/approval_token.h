/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens by which a reviewer decides about held mail. That of a link is
 *     base64url(payload) "." base64url(HMAC-SHA256(key, payload))
 * without padding, with the payload `<message id>|<action>|<expiry, seconds since 1970>`.
 * That of an answer by mail is 32 hex digits. The key of either is an HMAC with the
 * deployment's key over what the token is bound to, so it authorises one act of one
 * reviewer on one draft; signing secrets of users authorise nothing. Only hashes of tokens
 * are stored: whoever reads the database has none.
 */
#ifndef E2A_MAIL_APPROVAL_TOKEN_H
#define E2A_MAIL_APPROVAL_TOKEN_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/crypto.h"
#include "common/base/err.h"
#include "common/base/slice.h"

enum {
	APPROVAL_TOKEN_MAX = 1024, /* bytes */
	APPROVAL_NONCE_LEN = 16,
	APPROVAL_REPLY_HEX_LEN = 32,
};

enum approval_action { APPROVAL_APPROVE, APPROVAL_REJECT };

/* "approve" or "reject" */
struct slice approval_action_name(enum approval_action a);

struct approval_token {
	struct slice payload;
	struct slice message_id;
	enum approval_action action;
	int64_t expires_s;
	uint8_t mac[SHA256_LEN];
};

/* What a token is good for, beside its payload. */
struct approval_binding {
	struct slice user_id;
	struct slice message_id;
	struct slice reviewer;   /* address */
	struct slice nonce;      /* APPROVAL_NONCE_LEN bytes */
	struct slice draft_hash; /* SHA256_LEN bytes */
};

/* The key of one reviewer's links about one draft, from the deployment's (KEY_APPROVAL). */
void approval_key(struct slice deployment_key, const struct approval_binding *b,
		  uint8_t ret[CRYPTO_KEY_LEN]);
/* Appends a token. The message id has no '|' and no control characters. */
void approval_token_make(struct slice key, struct slice message_id, enum approval_action action,
			 int64_t expires_s, struct buf *ret);
/*
 * Takes a token apart without believing it. ERR_INPUT: it is none. Slices live in the
 * arena.
 */
enum err approval_token_read(struct slice token, struct arena *a,
			     struct approval_token *ret) MUST_CHECK;
/* Was it made with this key? */
bool approval_token_is(struct slice key, const struct approval_token *t);
/* The token of an answer by mail. */
void approval_reply_token(struct slice deployment_key, const struct approval_binding *b,
			  char ret[APPROVAL_REPLY_HEX_LEN + 1]);

#endif
