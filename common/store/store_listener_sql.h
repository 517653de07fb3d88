/* SPDX-License-Identifier: Apache-2.0 */
/* What allows an open WebSocket, in SQL, said once. */
#ifndef E2A_STORE_STORE_LISTENER_SQL_H
#define E2A_STORE_STORE_LISTENER_SQL_H

#include "common/store/store_key_sql.h"

#define LISTENED_A "a.agent_mode = 'local' AND a.address = "

/* Does key or session allow to listen to the agent? (OFFSET: looked up one by one, never joined.)
 */
#define LISTENER_MAY(key_id, session_hash, address)                                                \
	"(EXISTS (SELECT FROM api_keys k JOIN agents a ON a.user_id = k.user_id "                  \
	"AND (k.scope = 'account' OR " KEY_BOUND_TO_A ") AND " KEY_USABLE " WHERE k.id = " key_id  \
	" AND " LISTENED_A address " OFFSET 0) "                                                   \
	"OR EXISTS (SELECT FROM sessions s JOIN agents a ON a.user_id = s.user_id "                \
	"WHERE s.hash = " session_hash                                                             \
	" AND s.expires_at > clock_timestamp() AND " LISTENED_A address " OFFSET 0))"

#endif
