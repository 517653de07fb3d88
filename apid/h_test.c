/* SPDX-License-Identifier: Apache-2.0 */
/* A mail to the agent itself, to see whether mail reaches it. */
#include "apid/handlers.h"
#include "apid/outgoing.h"

/* A domain whose mail comes here: a bounce of the mail has to find its way. */
static struct slice author_domain(const struct app *app, const struct store_agent *agent)
{
	return app->sender.relay_domain.n ? app->sender.relay_domain : agent->domain;
}

void mail_test(struct req *r)
{
	struct store_agent agent;
	struct outgoing o = {
		.agent = &agent,
		.kind = S("test"),
		.subject = S("Test email from e2a"),
		.auto_submitted = S("auto-generated"),
		.failed = "failed to send test email",
	};

	if (!req_agent(r, &agent) ||
	    !outgoing_verified(r, &agent,
			       "agent domain must be verified before sending test email"))
		return;
	o.author = slice_str(
		arena_printf(&r->arena, "noreply@%.*s", SLICE_ARGS(author_domain(r->app, &agent))));
	o.to = (struct recipients_list){ &agent.address, 1 };
	o.text = slice_str(arena_printf(&r->arena,
					"This is a test email for %.*s.\n\n"
					"Your agent is set up and ready to receive emails.\n",
					SLICE_ARGS(agent.email)));
	outgoing_submit(r, &o);
}
