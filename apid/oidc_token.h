/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id_token: who signed in, as the provider tells it to us and nobody else.
 * It came straight from the token endpoint over TLS, which stands for its
 * signature (OpenID Connect Core 1.0, 3.1.3.7, item 6); one that says it has
 * none is refused all the same.
 */
#ifndef E2A_APID_OIDC_TOKEN_H
#define E2A_APID_OIDC_TOKEN_H

#include "common/base/arena.h"

#include <stdint.h>

enum {
	OIDC_SUBJECT_MAX = 255, /* OpenID Connect Core 1.0, 2 */
	OIDC_SKEW_S = 60,       /* how far the provider's clock may be ahead of ours */
	OIDC_AGE_MAX_S = 600
};

struct oidc_expect {
	struct slice issuer;
	struct slice client_id;
	struct slice nonce;
	int64_t now_s;
};

/*
 * The subject of a compact JWS (RFC 7515 7.1), in the arena. ERR_INPUT when it
 * cannot be read; ERR_FORBIDDEN when it is of somebody else, for somebody
 * else, for another sign-in, expired (now >= exp) or not of now.
 */
enum err oidc_token_check(struct slice jws, const struct oidc_expect *expect, struct arena *a,
			  struct slice *ret_subject, struct fail *fail) MUST_CHECK;

#endif
