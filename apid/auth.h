/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is asking: the functions that turn a credential into a principal.
 * Handlers and the WebSocket never see a token, only its principal.
 */
#ifndef E2A_APID_AUTH_H
#define E2A_APID_AUTH_H

#include "common/base/arena.h"
#include "common/base/crypto.h"
#include "common/store/store_account.h"

enum { AUTH_TOKEN_MAX = 512 }; /* bytes; longer ones are not looked up */

#define AUTH_SESSION_COOKIE "e2a_session"

struct principal {
	struct slice key_id; /* of an API key, else empty */
	struct slice user_id;
	bool session;                     /* a browser that is signed in, by a cookie */
	bool by_key;                      /* ... since somebody showed an API key there */
	uint8_t session_hash[SHA256_LEN]; /* with this hash, for signing out */
	bool agent_scope;                 /* reaches this agent only: */
	struct slice agent_address;       /* folded */
};

/*
 * The token in the value of an Authorization header: without the exact prefix
 * "Bearer ", if it has that, else all of it.
 */
struct slice auth_token(struct slice authorization);
/*
 * ERR_UNAUTHORIZED for a token that is empty, unknown, revoked or expired.
 * The texts of *ret live in the arena.
 */
enum err auth_principal(struct db *db, struct slice token, struct arena *a, struct principal *ret,
			struct fail *fail) MUST_CHECK;
/* The same for the value of the session cookie. */
enum err auth_session(struct db *db, struct slice token, struct arena *a, struct principal *ret,
		      struct fail *fail) MUST_CHECK;
/* What shows the database that the principal may act for the account. Borrows from *p. */
struct store_account auth_account(const struct principal *p);
/* Does the scope of the principal admit an agent of this folded address? */
bool auth_reaches(const struct principal *p, struct slice address);

#endif
