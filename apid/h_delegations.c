/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delegations, as their account sees them: ask a human, list, revoke. What is answered
 * must not depend on whether the human has an account, has been asked by others, or is
 * on a domain of somebody else here.
 */
#include "apid/h_delegation.h"
#include "apid/handlers.h"
#include "apid/page_query.h"
#include "apid/sign_in.h"
#include "common/base/log.h"
#include "common/mail/addr.h"
#include "common/store/store_delegation.h"
#include "common/store/store_domain.h"
#include "common/store/store_login.h"
#include "common/store/store_mail.h"

#include <inttypes.h>

enum { MAIL_TEXT_MAX = 8192, SUBJECT_MAX = 1024, HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

#define LIST S("delegations")

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

struct ask {
	struct store_agent agent;
	struct slice human, domain;
	bool admitted; /* by the limits of the address */
	char token[TOKEN_HEX_LEN + 1];
};

struct body {
	struct slice human;
};

static const struct jsonf_row body_rows[] = {
	{ "human", JSONF_TEXT, offsetof(struct body, human), JSONF_NO_GIVEN },
	{ 0 },
};

static bool read_human(struct req *r, struct ask *ask)
{
	struct body b = { 0 };

	if (!req_json(r, body_rows, &b))
		return false;
	if (b.human.n == 0)
		resp_error(&r->resp, 400, "human is required");
	else if (!sign_in_address(slice_trim(b.human), &r->arena, &ask->human, &ask->domain))
		resp_error(&r->resp, 400, "human must be an e-mail address");
	else
		return true;
	return false;
}

/* "7 days" */
static const char *span(struct arena *a, int64_t ms)
{
	if (ms >= 2 * DAY_MS)
		return arena_printf(a, "%" PRId64 " days", ms / DAY_MS);
	return arena_printf(a, "%" PRId64 " hours", ms / HOUR_MS);
}

static void write_mail(struct req *r, const struct ask *ask, struct slice owner, struct buf *text)
{
	struct slice origin = r->app->sign_in->origin;

	buf_addf(text,
		 "%.*s\nsays that a program,\n%.*s\n"
		 "at %.*s, writes e-mail on your behalf, and asks you\nto confirm that.\n\n"
		 "If it is so, open this link within %s and agree there:\n\n",
		 SLICE_ARGS(owner), SLICE_ARGS(ask->agent.email), SLICE_ARGS(origin),
		 span(&r->arena, r->app->settings->delegation_link_ms));
	buf_addf(text, "%.*s" DELEGATION_PATH "?t=%s\n\n", SLICE_ARGS(origin), ask->token);
	buf_add_str(text, DELEGATION_MEANS
		    "\n\n"
		    "Keep this mail: with the same link you end it whenever you like.\n\n"
		    "If you know nothing of this, open the link and decline, or ignore this\n"
		    "mail: without you nothing happens. Do not pass it on.\n");
}

static enum err mail_human(struct req *r, const struct ask *ask, struct slice human,
			   struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX);
	AUTO(buf_release) struct buf subject = BUF_INIT(SUBJECT_MAX);
	struct store_mail mail = {
		.kind = "delegation",
		.user_id = r->principal.user_id,
		.to = human,
		.lifetime_ms = r->app->settings->delegation_link_ms,
	};
	struct store_login_user owner;
	enum err e = store_login_user(r->db, mail.user_id, &r->arena, &owner, fail);

	if (e)
		return e;
	buf_addf(&subject, "Does %.*s write on your behalf?", SLICE_ARGS(ask->agent.email));
	write_mail(r, ask, owner.email, &text);
	mail.subject = buf_slice(&subject);
	mail.text = buf_slice(&text);
	e = store_mail_add(r->db, r->app->keys, &mail, fail);
	crypto_wipe(text.p, text.len);
	return e;
}

/*
 * An agent could read what is mailed to a domain of ours. ERR_FORBIDDEN for one that the
 * asker knows to be of this deployment; of others they must not learn it.
 */
static enum err judge_domain(struct req *r, struct slice domain, bool *ret_ours, struct fail *fail)
{
	struct store_domain own;
	enum err e = store_domain_find(r->db, r->principal.user_id, domain, &r->arena, &own, fail);

	if (e && e != ERR_NOT_FOUND)
		return e;
	if (slice_eq(domain, r->app->sender.shared_domain) || (e == OK && own.verified))
		return fail_set(fail, ERR_FORBIDDEN, "an agent could read the mail");
	return store_domain_taken(r->db, domain, ret_ours, fail);
}

/* Where no mail goes a link is stored as well, that nobody has: it looks the same. */
static enum err ask_human(struct req *r, void *arg, struct fail *fail)
{
	const struct ask *ask = arg;
	uint8_t hash[SHA256_LEN];
	struct store_delegation_ask wanted = {
		.user_id = r->principal.user_id,
		.agent = ask->agent.email,
		.human = ask->human,
		.link_hash = hash,
		.lifetime_ms = r->app->settings->delegation_link_ms,
		.most = r->app->settings->delegations_per_agent,
	};
	struct store_delegation_asked asked;
	bool ours;
	enum err e = judge_domain(r, ask->domain, &ours, fail);

	if (e)
		return e;
	crypto_sha256(slice_str(ask->token), hash);
	wanted.mailed = ask->admitted && !ours;
	e = store_delegation_ask(r->db, &wanted, &r->arena, &asked, fail);
	if (e == OK && asked.mailed)
		e = mail_human(r, ask, asked.is.human, fail);
	if (e == OK)
		write_one(resp_json(&r->resp, asked.made ? 201 : 200), &asked.is);
	return e;
}

static void run_ask(struct req *r, struct ask *ask)
{
	struct fail fail = { 0 };

	switch (req_act(r, ask_human, ask, &fail)) {
	case OK:
		break;
	case ERR_FORBIDDEN:
		resp_error(&r->resp, 400, "human must not be on a domain of this deployment");
		break;
	case ERR_TOO_BIG:
		resp_errorf(&r->resp, 403,
			    "at most %" PRId64 " delegations per agent; revoke one before "
			    "asking for another",
			    r->app->settings->delegations_per_agent);
		break;
	case ERR_NOT_FOUND:
		req_deny(r);
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, "unauthorized");
		break;
	default:
		req_fail(r, &fail, "failed to ask for the delegation");
		break;
	}
}

/*
 * With any tag it is the same human. What the account may not send does not spend what
 * others may.
 */
static bool admit_mail(struct req *r, struct slice human)
{
	struct slice folded, local, domain;
	const char *whom;

	if (addr_fold(human, &r->arena, &folded) || !addr_split(folded, &local, &domain))
		return false;
	local = addr_without_tag(local);
	whom = arena_printf(&r->arena, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain));
	return limit_admit_name(r, LIMIT_DELEGATION_MAILS,
				slice_str(arena_printf(&r->arena, "%.*s:%s",
						       SLICE_ARGS(r->principal.user_id), whom))) &&
	       limit_admit_name(r, LIMIT_DELEGATION_MAILS_ALL, slice_str(whom));
}

void delegation_create(struct req *r)
{
	struct ask ask = { 0 };

	if (!req_agent(r, &ask.agent) || !read_human(r, &ask))
		return;
	if (r->app->sign_in->origin.n == 0) {
		resp_error(&r->resp, 403, "delegations are switched off on this server");
		return;
	}
	ask.admitted = admit_mail(r, ask.human);
	id_random_hex(TOKEN_HEX_LEN, ask.token);
	run_ask(r, &ask);
	crypto_wipe(ask.token, sizeof(ask.token));
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
		token = (struct page_token){ v[n - 1].created_us, v[n - 1].id, LIST, agent.email,
					     0 };
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
