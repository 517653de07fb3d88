/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reviewers, as their account sees them: name one, list, remove. What they get is for
 * themselves to choose.
 */
#include "apid/h_reviewer.h"
#include "apid/handlers.h"
#include "apid/invite.h"
#include "apid/sign_in.h"
#include "common/base/log.h"
#include "common/mail/addr.h"
#include "common/store/store_reviewer.h"

static void write_one(struct jsonw *w, const struct store_reviewer *v)
{
	jsonw_object(w);
	jsonw_key_text(w, "id", v->id);
	jsonw_key_text(w, "agent", v->agent);
	jsonw_key_text(w, "address", v->address);
	jsonw_key_text(w, "state", v->state);
	jsonw_key_bool(w, "full_text", v->full_text);
	jsonw_key_bool(w, "by_reply", v->by_reply);
	resp_key_time(w, "created_at", v->created_us);
	if (slice_eq(v->state, S("pending")) || slice_eq(v->state, S("expired")))
		resp_key_time(w, "link_expires_at", v->link_expires_us);
	if (v->confirmed_us)
		resp_key_time(w, "confirmed_at", v->confirmed_us);
	jsonw_object_end(w);
}

/* ---- naming ---- */

static const struct jsonf_row body[] = {
	{ "address", JSONF_TEXT, 0, JSONF_NO_GIVEN },
	{ 0 },
};

static void write_mail(struct req *r, const struct invite *inv, struct slice owner,
		       struct buf *subject, struct buf *text)
{
	struct slice origin = r->app->sign_in->origin;

	buf_addf(subject, "Will you review the mail of %.*s?", SLICE_ARGS(inv->agent.email));
	buf_addf(text,
		 "%.*s\nasks you to review what a program,\n%.*s\n"
		 "at %.*s, wants to send by e-mail.\n\n"
		 "If you want to, open this link within %s and accept there:\n\n",
		 SLICE_ARGS(owner), SLICE_ARGS(inv->agent.email), SLICE_ARGS(origin),
		 invite_span(&r->arena, inv));
	buf_addf(text, "%.*s" REVIEWER_PATH "?t=%s\n\n", SLICE_ARGS(origin), inv->token);
	buf_add_str(text, REVIEWER_MEANS
		    "\n\n"
		    "Keep this mail: with the same link you change what you get, or leave,\n"
		    "whenever you like.\n\n"
		    "If you know nothing of this, open the link and decline, or ignore this\n"
		    "mail: without you nothing happens. Do not pass it on.\n");
}

static enum err ask(struct req *r, const struct invite *inv, struct invite_asked *ret,
		    struct fail *fail)
{
	struct store_reviewer_ask wanted = {
		.account = auth_account(&r->principal),
		.agent = inv->agent.email,
		.address = inv->address,
		.link_hash = inv->hash,
		.mailed = inv->mailed,
		.lifetime_ms = inv->lifetime_ms,
		.most = inv->most,
	};
	struct store_reviewer_asked asked;
	enum err e = addr_fold(inv->address, &r->arena, &wanted.folded);

	if (e)
		return fail_set(fail, ERR_INTERNAL, "a usable address that cannot be folded");
	e = store_reviewer_ask(r->db, &wanted, &r->arena, &asked, fail);
	if (e)
		return e;
	*ret = (struct invite_asked){ asked.is.address, asked.mailed };
	write_one(resp_json(&r->resp, asked.made ? 201 : 200), &asked.is);
	return OK;
}

static const struct invite_kind kind = {
	.name = "reviewer",
	.names = "reviewers",
	.field = "address",
	.body = body,
	.when_full = "remove one before naming another",
	.most = offsetof(struct settings, reviewers_per_agent),
	.lifetime_ms = offsetof(struct settings, reviewer_link_ms),
	.mails = LIMIT_REVIEWER_MAILS,
	.mails_all = LIMIT_REVIEWER_MAILS_ALL,
	.write = write_mail,
	.ask = ask,
};

void reviewer_create(struct req *r)
{
	invite_run(r, &kind);
}

/* ---- list, remove ---- */

static void write_list(struct req *r, const struct store_reviewer *v, size_t n)
{
	struct jsonw *w = resp_json(&r->resp, 200);

	jsonw_object(w);
	jsonw_key(w, "reviewers");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		write_one(w, &v[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}

void reviewer_list(struct req *r)
{
	struct store_agent agent;
	struct store_reviewer *v;
	struct fail fail = { 0 };
	size_t n;

	if (!req_agent(r, &agent))
		return;
	if (store_reviewer_list(r->db, r->principal.user_id, agent.email, &r->arena, &v, &n, &fail))
		req_fail(r, &fail, "failed to list reviewers");
	else
		write_list(r, v, n);
}

void reviewer_delete(struct req *r)
{
	const struct store_account account = auth_account(&r->principal);
	struct store_agent agent;
	struct fail fail = { 0 };
	enum err e = ERR_NOT_FOUND;

	if (!req_agent(r, &agent))
		return;
	if (id_valid(r->param[1], ID_PREFIX_REVIEWER))
		e = store_reviewer_remove(r->db, &account, agent.email, r->param[1], &fail);
	if (e == ERR_NOT_FOUND)
		resp_error(&r->resp, 404, "reviewer not found");
	else if (e == ERR_UNAUTHORIZED)
		resp_error(&r->resp, 401, "unauthorized");
	else if (e)
		req_fail(r, &fail, "failed to remove the reviewer");
	else
		resp_empty(&r->resp, 204);
	if (e == OK)
		log_info("reviewer_removed", LF_STR("request", r->id),
			 LF_SLICE("reviewer", r->param[1]), LF_SLICE("user", r->principal.user_id));
}
