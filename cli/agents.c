/* SPDX-License-Identifier: Apache-2.0 */
/* e2a agents: list, register, update, delete. */
#include "cli/cli.h"

#define AGENTS "/api/v1/agents"

/* ---- list ---- */

static enum err run_list(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	struct slice active = slice_str(c->config.value[CONFIG_AGENT_EMAIL]);
	const struct doc *agents;
	enum err e = cli_call(c, &(struct api_request){ .path = AGENTS }, &answer, fail);

	if (e)
		return e;
	agents = doc_get(answer, "agents");
	for (size_t i = 0; !c->json && i < doc_count(agents); i++) {
		const struct doc *agent = doc_at(agents, i);
		struct slice email = doc_text(agent, "email");

		out_line(&c->out, email);
		out_str(&c->out, "  ");
		out_line(&c->out, doc_text(agent, "agent_mode"));
		out_str(&c->out, slice_eq(email, active) ? " (active)\n" : "\n");
	}
	if (c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else if (doc_count(agents) == 0)
		out_str(&c->out, "No agents.\n");
	return OK;
}

const struct command agents_commands[] = {
	{ .name = "agents list", .args = "", .help = "List your agents.", .run = run_list },
	{ 0 },
};
