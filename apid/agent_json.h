/* SPDX-License-Identifier: Apache-2.0 */
/* The wire forms of an agent. */
#ifndef E2A_APID_AGENT_JSON_H
#define E2A_APID_AGENT_JSON_H

#include "apid/req.h"
#include "common/store/store_agent.h"

void agent_json(struct jsonw *w, const struct store_agent *a);
/* Answers with all agents of the user, newest first; `owned`: in the form of their own pages. */
void agent_json_list(struct req *r, bool owned);

#endif
