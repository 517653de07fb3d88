/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in: links that were mailed, identities that an OpenID provider vouches
 * for, and the account behind an address. Addresses on domains of this deployment
 * open nothing, because an agent could read what is mailed to them.
 */
#ifndef E2A_STORE_STORE_LOGIN_H
#define E2A_STORE_STORE_LOGIN_H

#include "common/base/crypto.h"
#include "common/store/db.h"

extern const struct db_stmt store_login_stmts[];

struct store_login_address {
	bool ours;            /* its domain is one of this deployment */
	struct slice user_id; /* empty: no account has this address */
	struct slice email;   /* of the account, as it was first given */
};

struct store_login_link {
	struct slice email;
	struct slice cli_callback, cli_state; /* both may be empty */
};

struct store_login_user {
	struct slice id;
	struct slice email;
	struct slice name;
	int64_t created_us;
};

/* `email` is local@domain in lower-case A-labels. Never ERR_NOT_FOUND. */
enum err store_login_find(struct db *db, struct slice email, struct slice domain, struct arena *a,
			  struct store_login_address *ret, struct fail *fail) MUST_CHECK;
/*
 * A link that is good for lifetime_ms: for whoever shows the token with this hash
 * and the cookie with that one; without a browser_hash in whatever browser. With 0 it is good
 * for nobody.
 */
enum err store_login_add_link(struct db *db, const uint8_t token_hash[SHA256_LEN],
			      const uint8_t browser_hash[SHA256_LEN],
			      const struct store_login_link *link, int64_t lifetime_ms,
			      struct fail *fail) MUST_CHECK;
/*
 * Uses a link up: of any number of callers one gets OK, the others
 * ERR_NOT_FOUND, as for a link that is unknown, expired, asked for by another
 * browser, or of an address whose domain has come to this deployment since.
 */
enum err store_login_use_link(struct db *db, const uint8_t token_hash[SHA256_LEN],
			      const uint8_t browser_hash[SHA256_LEN], struct arena *a,
			      struct store_login_link *ret, struct fail *fail) MUST_CHECK;

/* The account of an identity, or ERR_NOT_FOUND. */
enum err store_login_find_identity(struct db *db, struct slice issuer, struct slice subject,
				   struct arena *a, struct slice *ret_user_id,
				   struct fail *fail) MUST_CHECK;
/*
 * Gives an account its identity at this issuer. ERR_CONFLICT when it has
 * another one there: an address that came to somebody else opens no account.
 */
enum err store_login_add_identity(struct db *db, struct slice issuer, struct slice subject,
				  struct slice user_id, struct fail *fail) MUST_CHECK;

/* ERR_NOT_FOUND when the account is gone. */
enum err store_login_user(struct db *db, struct slice user_id, struct arena *a,
			  struct store_login_user *ret, struct fail *fail) MUST_CHECK;
/* Revokes all keys of that name that a user has. */
enum err store_login_revoke_keys(struct db *db, struct slice user_id, struct slice name,
				 struct fail *fail) MUST_CHECK;

#endif
