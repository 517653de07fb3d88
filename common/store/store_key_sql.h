/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on keys, in SQL, that statements about other things need too. */
#ifndef E2A_STORE_STORE_KEY_SQL_H
#define E2A_STORE_STORE_KEY_SQL_H

/* Of key `k`. */
#define KEY_USABLE                                                                                 \
	"k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"

/* Is key `k` bound to agent `a`? */
#define KEY_BOUND_TO_A "lower(k.agent_email) IN (lower(a.email), a.address)"

#endif
