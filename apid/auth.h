/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is asking: the one function that turns a credential into a principal.
 * Handlers and the WebSocket never see a token, only its principal.
 */
#ifndef E2A_APID_AUTH_H
#define E2A_APID_AUTH_H

#include "common/base/arena.h"
#include "common/store/db.h"

enum { AUTH_TOKEN_MAX = 512 }; /* bytes; longer ones are not looked up */

struct principal {
	struct slice key_id;
	struct slice user_id;
	bool agent_scope;           /* reaches this agent only: */
	struct slice agent_address; /* folded */
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
/* Does the scope of the principal admit an agent of this folded address? */
bool auth_reaches(const struct principal *p, struct slice address);

#endif
