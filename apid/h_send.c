/* SPDX-License-Identifier: Apache-2.0 */
/* Sending a mail. Clients know the order of the checks. */
#include "apid/handlers.h"
#include "apid/outgoing.h"
#include "common/mail/addr.h"

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static bool is_complete(struct req *r, const struct draft *d)
{
	if (d->subject.n == 0 || d->body.n == 0)
		return bad(r, "subject and body are required");
	if (d->to.n == 0 && d->cc.n == 0)
		return bad(r, "at least one recipient in to or cc is required");
	return true;
}

/* ---- the sender ---- */

static bool find_named(struct req *r, struct slice from, struct store_agent *ret)
{
	struct fail fail = { 0 };
	struct slice address;
	enum err e = addr_fold(from, &r->arena, &address);

	if (e == OK && !auth_reaches(&r->principal, address))
		e = ERR_NOT_FOUND;
	if (e == OK)
		e = store_agent_find(r->db, r->principal.user_id, address, &r->arena, ret, &fail);
	if (e == ERR_NOT_FOUND || e == ERR_INPUT)
		return bad(r, "invalid from: agent not found");
	if (e)
		req_fail(r, &fail, "send failed");
	return e == OK;
}

/* Who has one agent only need not name it. */
static bool find_only(struct req *r, struct store_agent *ret)
{
	struct store_agent *v;
	struct fail fail = { 0 };
	size_t n;

	if (store_agent_list(r->db, r->principal.user_id, &r->arena, &v, &n, &fail)) {
		req_fail(r, &fail, "send failed");
		return false;
	}
	if (n != 1)
		return bad(r, n ? "from field required when user has multiple agents"
				: "from field required (no agents found)");
	*ret = v[0];
	return true;
}

static bool find_sender(struct req *r, struct slice from, struct store_agent *ret)
{
	if (from.n == 0 && r->principal.agent_scope)
		from = r->principal.agent_address;
	return from.n ? find_named(r, from, ret) : find_only(r, ret);
}

void mail_send(struct req *r)
{
	struct draft d = DRAFT_INIT;
	struct draft_parts parts;
	struct store_agent agent;

	if (!outgoing_json(r, draft_send_rows, &d) || !is_complete(r, &d) ||
	    !outgoing_read(r, &d, &parts) || !find_sender(r, d.from, &agent) ||
	    !outgoing_count(r, &agent) ||
	    !outgoing_verified(r, &agent, "agent domain must be verified before sending"))
		return;
	outgoing_submit(r, &(struct outgoing){
				   .agent = &agent,
				   .kind = S("send"),
				   .to = { d.to.v, d.to.n },
				   .cc = { d.cc.v, d.cc.n },
				   .bcc = { d.bcc.v, d.bcc.n },
				   .subject = d.subject,
				   .text = d.body,
				   .html = d.html_body,
				   .conversation_id = d.conversation_id,
				   .parts = parts,
				   .failed = "send failed",
			   });
}
