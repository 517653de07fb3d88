/* SPDX-License-Identifier: Apache-2.0 */
/* The wire forms of an agent. */
#ifndef E2A_APID_AGENT_JSON_H
#define E2A_APID_AGENT_JSON_H

#include "apid/req.h"
#include "common/store/store_agent.h"

void agent_json(struct jsonw *w, const struct store_agent *a);
/* With what only the owner's own pages and the export show. */
void agent_json_owned(struct jsonw *w, const struct store_agent *a, struct slice user_id);
/* Answers with all agents of the user, newest first; `owned`: in the form of their own pages. */
void agent_json_list(struct req *r, bool owned);

#endif
