/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in with an OpenID provider: authorization code with PKCE (RFC 7636)
 * and nonce (OpenID Connect Core 1.0, 3.1), the provider's addresses by discovery.
 * Nothing is stored between the two halves: the PKCE verifier and the nonce that
 * the provider is told are made of the browser's cookie with a key of ours. Calls
 * wait for the provider, each for some seconds, so they belong on a worker.
 */
#ifndef E2A_APID_OIDC_H
#define E2A_APID_OIDC_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/mail/dns.h"

#define OIDC_CALLBACK_PATH "/api/auth/callback"

enum { OIDC_URL_MAX = 16 * 1024 };

struct oidc;

/* What the provider says of who signed in. Texts live in the caller's arena. */
struct oidc_user {
	struct slice subject;
	struct slice email;
	bool email_verified;
	struct slice name;
};

/*
 * `origin` is that of public_url. ERR_CONFIG when a setting that the issuer
 * needs is missing or wrong. Asks nobody: the provider may come up later.
 */
enum err oidc_new(const struct settings *s, const struct keys *keys, struct dns *dns,
		  struct slice origin, struct oidc **ret, struct fail *fail) MUST_CHECK;
void oidc_free(struct oidc *o);

/*
 * Errors of the three below: ERR_FORBIDDEN when the provider refuses the code or
 * token, or the id_token is not for us and now; ERR_TIMEOUT, ERR_DNS, ERR_NETWORK
 * when it cannot be reached; ERR_INPUT when its answer is not what it must be.
 */

/* Appends the address at the provider that the browser is sent to. */
enum err oidc_begin(struct oidc *o, struct slice nonce, struct slice state, struct buf *ret,
		    struct fail *fail) MUST_CHECK;
/* Redeems the code; *ret_access is the token to ask for the user with, *ret_subject who it is. */
enum err oidc_redeem(struct oidc *o, struct slice nonce, struct slice code, struct arena *a,
		     struct slice *ret_access, struct slice *ret_subject,
		     struct fail *fail) MUST_CHECK;
enum err oidc_ask_user(struct oidc *o, struct slice access, struct slice subject, struct arena *a,
		       struct oidc_user *ret, struct fail *fail) MUST_CHECK;

#endif
