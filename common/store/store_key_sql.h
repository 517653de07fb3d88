/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on keys, in SQL, that statements about other things need too. */
#ifndef E2A_STORE_STORE_KEY_SQL_H
#define E2A_STORE_STORE_KEY_SQL_H

/* Of key `k`. */
#define KEY_USABLE                                                                                 \
	"k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"

/* Is key `k` bound to agent `a`? */
#define KEY_BOUND_TO_A "lower(k.agent_email) IN (lower(a.email), a.address)"

/* Key `k` and agent `a` allow an open WebSocket. */
#define KEY_LISTENS                                                                                \
	"a.user_id = k.user_id AND a.agent_mode = 'local' "                                        \
	"AND (k.scope = 'account' OR " KEY_BOUND_TO_A ") AND " KEY_USABLE

#endif
