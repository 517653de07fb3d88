/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the store layer: the state of the webhook of agent `a` with its queue `q`, or none. */
#ifndef E2A_STORE_STORE_ENDPOINT_SQL_H
#define E2A_STORE_STORE_ENDPOINT_SQL_H

#define ENDPOINT_STATE                                                                             \
	"CASE WHEN a.agent_mode <> 'cloud' THEN 'none' "                                           \
	"WHEN q.disabled_at IS NOT NULL THEN 'disabled' "                                          \
	"WHEN q.open_until IS NOT NULL THEN 'open' "                                               \
	"WHEN q.drain_after IS NOT NULL THEN 'draining' "                                          \
	"WHEN q.failures > 0 THEN 'failing' ELSE 'ok' END"
/* `most` rows at most: a queue may hold millions */
#define ENDPOINT_COUNT(state, most)                                                                \
	"(SELECT count(*) FROM (SELECT 1 FROM webhook_jobs j WHERE j.agent_email = a.email "       \
	"AND j.state = '" state "' LIMIT " most "::bigint) t)"

#endif
