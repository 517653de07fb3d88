/* SPDX-License-Identifier: Apache-2.0 */
/* Who may hold a WebSocket open: a key or a session, together with an agent in local mode. */
#ifndef E2A_STORE_STORE_LISTENER_H
#define E2A_STORE_STORE_LISTENER_H

#include "common/base/arena.h"
#include "common/store/db.h"

extern const struct db_stmt store_listener_stmts[];

struct store_listener {
	struct slice key_id;       /* of an API key, or empty: */
	struct slice session_hash; /* of a session; SHA256_LEN bytes */
	struct slice address;      /* of the agent, folded */
};

/*
 * Which of n listeners may listen no longer: their positions in the array. A key has to be usable
 * and to reach the agent, a session not to be over, the agent of the same account and in local
 * mode.
 */
enum err store_listener_cut_off(struct db *db, const struct store_listener *v, size_t n,
				struct arena *a, size_t **ret, size_t *ret_n,
				struct fail *fail) MUST_CHECK;

#endif
