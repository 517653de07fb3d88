/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in: what its ways (a mailed link, an OpenID provider) have in common.
 * Each way proves an address; what that opens is decided here, in one place.
 */
#ifndef E2A_APID_SIGN_IN_H
#define E2A_APID_SIGN_IN_H

#include "apid/cli_login.h"
#include "apid/oidc.h"
#include "common/base/apikey.h"

struct sign_in {
	bool mail;           /* by a mailed link */
	struct oidc *oidc;   /* by a provider; NULL: not */
	bool secure;         /* public_url is https: cookies get Secure */
	bool exposed;        /* ... or http to another computer: no browser can sign in */
	struct slice origin; /* of public_url, empty without one */
};

/*
 * Reads the settings; nobody is asked. ERR_CONFIG when they do not fit together.
 * Without public_url there is no signing in by mail (sign_in->mail is false).
 */
enum err sign_in_new(const struct settings *s, const struct keys *keys, struct dns *dns,
		     struct sign_in **ret, struct fail *fail) MUST_CHECK;
void sign_in_free(struct sign_in *s);

/*
 * An address as addr_usable() has it, and its domain; a trailing dot is dropped. False for all
 * others: no mail would go there, and of other spellings the database might think that they
 * are somebody else's account.
 */
bool sign_in_address(struct slice text, struct arena *a, struct slice *ret_email,
		     struct slice *ret_domain);

/* Set-Cookie on an answer that was begun. With max_age_s 0 the cookie goes. */
void sign_in_set_cookie(struct req *r, const char *name, struct slice value, const char *path,
			int64_t max_age_s);
/* A redirection without a body; `location` is in the arena, or a literal. */
void sign_in_redirect(struct req *r, int status, const char *location);

/* Somebody who has proved an address, and what that opened. */
struct sign_in_entry {
	struct slice email, domain;   /* as sign_in_address() gives them */
	struct slice issuer, subject; /* of the provider that vouches, or empty */
	struct slice name;            /* for a new account */
	struct slice user_id;
	struct apikey session; /* its text is the cookie's value */
	char secret[TOKEN_HEX_LEN + 1];
	bool secret_made; /* the account's first: to be shown once */
};

/* Makes what is random. */
void sign_in_entry_init(struct sign_in_entry *e);
/* Overwrites it. */
void sign_in_entry_wipe(struct sign_in_entry *e);
/*
 * The account (made, when sign_up allows that), its first signing secret, a
 * session. In a transaction of the caller's, which may repeat it. ERR_FORBIDDEN
 * when the address opens nothing.
 */
enum err sign_in_enter(struct req *r, struct sign_in_entry *e, struct fail *fail) MUST_CHECK;
/*
 * The answer after the commit: the session's cookie, and where the browser goes
 * next, by `status`; a new account is shown its secret first.
 */
void sign_in_finish(struct req *r, int status, const struct sign_in_entry *e,
		    const struct cli_login *cli);

#endif
