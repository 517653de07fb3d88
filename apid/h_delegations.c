/* SPDX-License-Identifier: Apache-2.0 */
/* Delegations, as their account sees them: ask a human, list, revoke. */
#include "apid/h_delegation.h"
#include "apid/handlers.h"
#include "apid/invite.h"
#include "apid/page_query.h"
#include "apid/sign_in.h"
#include "common/base/log.h"
#include "common/store/store_delegation.h"

#define LIST_NAME "delegations"
#define LIST S(LIST_NAME)

static void write_one(struct jsonw *w, const struct store_delegation *d)
{
	jsonw_object(w);
	jsonw_key_text(w, "id", d->id);
	jsonw_key_text(w, "agent", d->agent);
	jsonw_key_text(w, "human", d->human);
	jsonw_key_text(w, "state", d->state);
	resp_key_time(w, "created_at", d->created_us);
	if (!d->confirmed_us && !d->revoked_us)
		resp_key_time(w, "link_expires_at", d->link_expires_us);
	if (d->confirmed_us)
		resp_key_time(w, "confirmed_at", d->confirmed_us);
	if (d->revoked_us)
		resp_key_time(w, "revoked_at", d->revoked_us);
	jsonw_object_end(w);
}

/* ---- asking ---- */

static const struct jsonf_row body[] = {
	{ "human", JSONF_TEXT, 0, JSONF_NO_GIVEN },
	{ 0 },
};

static void write_mail(struct req *r, const struct invite *inv, struct slice owner,
		       struct buf *subject, struct buf *text)
{
	struct slice origin = r->app->sign_in->origin;

	buf_addf(subject, "Does %.*s write on your behalf?", SLICE_ARGS(inv->agent.email));
	buf_addf(text,
		 "%.*s\nsays that a program,\n%.*s\n"
		 "at %.*s, writes e-mail on your behalf, and asks you\nto confirm that.\n\n"
		 "If it is so, open this link within %s and agree there:\n\n",
		 SLICE_ARGS(owner), SLICE_ARGS(inv->agent.email), SLICE_ARGS(origin),
		 invite_span(&r->arena, inv));
	buf_addf(text, "%.*s" DELEGATION_PATH "?t=%s\n\n", SLICE_ARGS(origin), inv->token);
	buf_add_str(text, DELEGATION_MEANS
		    "\n\n"
		    "Keep this mail: with the same link you end it whenever you like.\n\n"
		    "If you know nothing of this, open the link and decline, or ignore this\n"
		    "mail: without you nothing happens. Do not pass it on.\n");
}

static enum err ask(struct req *r, const struct invite *inv, struct invite_asked *ret,
		    struct fail *fail)
{
	const struct store_delegation_ask wanted = {
		.user_id = r->principal.user_id,
		.agent = inv->agent.email,
		.human = inv->address,
		.link_hash = inv->hash,
		.mailed = inv->mailed,
		.lifetime_ms = inv->lifetime_ms,
		.most = inv->most,
	};
	struct store_delegation_asked asked;
	enum err e = store_delegation_ask(r->db, &wanted, &r->arena, &asked, fail);

	if (e)
		return e;
	*ret = (struct invite_asked){ asked.is.human, asked.mailed };
	write_one(resp_json(&r->resp, asked.made ? 201 : 200), &asked.is);
	return OK;
}

static const struct invite_kind kind = {
	.name = "delegation",
	.names = LIST_NAME,
	.field = "human",
	.body = body,
	.when_full = "revoke one before asking for another",
	.most = offsetof(struct settings, delegations_per_agent),
	.lifetime_ms = offsetof(struct settings, delegation_link_ms),
	.mails = LIMIT_DELEGATION_MAILS,
	.mails_all = LIMIT_DELEGATION_MAILS_ALL,
	.write = write_mail,
	.ask = ask,
};

void delegation_create(struct req *r)
{
	invite_run(r, &kind);
}

/* ---- list, revoke ---- */

static void write_list(struct req *r, const struct store_delegation *v, size_t n,
		       const struct page_token *next)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "delegations");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_one(w, &v[i]);
	jsonw_array_end(w);
	if (next)
		page_query_next(r, next);
	jsonw_object_end(w);
}

void delegation_list(struct req *r)
{
	struct store_delegation_key after;
	struct store_delegation *v;
	struct store_agent agent;
	struct page_token token;
	struct fail fail = { 0 };
	bool more;
	size_t n;

	if (!req_agent(r, &agent) || !page_query_token(r, LIST, agent.email, &token))
		return;
	after = (struct store_delegation_key){ token.created_us, token.id };
	if (store_delegation_list(r->db, r->principal.user_id, agent.email, &after,
				  page_query_size(r), &r->arena, &v, &n, &more, &fail)) {
		req_fail(r, &fail, "failed to list delegations");
		return;
	}
	if (more)
		token = (struct page_token){ .created_us = v[n - 1].created_us,
					     .id = v[n - 1].id,
					     .filter = LIST,
					     .agent = agent.email };
	write_list(r, v, n, more ? &token : NULL);
}

void delegation_delete(struct req *r)
{
	struct store_agent agent;
	struct fail fail = { 0 };
	enum err e = ERR_NOT_FOUND;
	bool ended = false;

	if (!req_agent(r, &agent))
		return;
	if (id_valid(r->param[1], ID_PREFIX_DELEGATION))
		e = store_delegation_revoke(r->db, r->principal.user_id, agent.email, r->param[1],
					    &ended, &fail);
	if (e == ERR_NOT_FOUND)
		resp_error(&r->resp, 404, "delegation not found");
	else if (e)
		req_fail(r, &fail, "failed to revoke the delegation");
	else
		resp_empty(&r->resp, 204);
	if (e == OK && ended)
		log_info("delegation_revoked", LF_STR("request", r->id), LF_STR("by", "account"),
			 LF_SLICE("delegation", r->param[1]),
			 LF_SLICE("user", r->principal.user_id));
}
