/* SPDX-License-Identifier: Apache-2.0 */
/* Changing and deleting an agent: the acts, without the forms of their answers. */
#ifndef E2A_APID_H_AGENTS_CHANGE_H
#define E2A_APID_H_AGENTS_CHANGE_H

#include "apid/req.h"

/* What a PUT asks for. A field that is absent or null is left as it is. */
struct agent_change {
	struct slice agent_mode, webhook_url, hitl_expiration_action;
	int64_t hitl_ttl_seconds;
	bool hitl_enabled;
	bool has_agent_mode, has_webhook_url, has_hitl_enabled, has_hitl_ttl_seconds,
		has_hitl_expiration_action;
};

extern const struct jsonf_row agent_change_rows[];

/* NULL, or why no agent could be changed like this. Webhook URLs are looked at elsewhere. */
const char *agent_change_check(const struct agent_change *c);
/*
 * NULL, or why this agent cannot be. A mode comes with a new URL, which is
 * empty when it is not given.
 */
const char *agent_change_apply(const struct agent_change *c, struct store_agent *agent);

/* True when *agent, which req_agent() found, is changed, and *agent with it. Else answered. */
bool agent_change(struct req *r, const struct agent_change *c, struct store_agent *agent);
/* True when the agent of the path is gone, with its messages and keys. Else answered. */
bool agent_end(struct req *r);

#endif
