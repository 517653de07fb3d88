/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON documents of an OpenID provider. Names are exact, a name that occurs
 * twice spoils the document, a wrong type is an error. Texts live in the arena;
 * those that are absent are empty. All functions: ERR_INPUT with a short reason.
 */
#ifndef E2A_APID_OIDC_DOC_H
#define E2A_APID_OIDC_DOC_H

#include "common/base/arena.h"

#include <stdint.h>

/* OpenID Connect Discovery 1.0, 3 */
struct oidc_discovery {
	struct slice issuer;
	struct slice authorization_endpoint, token_endpoint, userinfo_endpoint;
	bool secret_in_body; /* it takes client_secret_post and not client_secret_basic */
};

/* RFC 6749 5.1, OpenID Connect Core 1.0, 3.1.3.3 */
struct oidc_tokens {
	struct slice access_token;
	struct slice id_token;
};

/* OpenID Connect Core 1.0, 2 */
struct oidc_claims {
	struct slice iss, sub, azp, nonce;
	struct slice *aud; /* one text, or several */
	size_t aud_n;
	int64_t exp_s, iat_s;
};

/* OpenID Connect Core 1.0, 5.3.2 */
struct oidc_userinfo {
	struct slice sub, email, name;
	bool email_verified;
};

enum err oidc_doc_discovery(struct slice json, struct arena *a, struct oidc_discovery *ret,
			    struct fail *fail) MUST_CHECK;
enum err oidc_doc_tokens(struct slice json, struct arena *a, struct oidc_tokens *ret,
			 struct fail *fail) MUST_CHECK;
/* The header of a JWT (RFC 7515 4.1): its algorithm. */
enum err oidc_doc_alg(struct slice json, struct arena *a, struct slice *ret,
		      struct fail *fail) MUST_CHECK;
enum err oidc_doc_claims(struct slice json, struct arena *a, struct oidc_claims *ret,
			 struct fail *fail) MUST_CHECK;
enum err oidc_doc_userinfo(struct slice json, struct arena *a, struct oidc_userinfo *ret,
			   struct fail *fail) MUST_CHECK;

#endif
