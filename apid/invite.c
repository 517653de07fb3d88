/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions by mail. Where no mail may go the question is stored as well, with a link that
 * nobody has: it looks the same.
 */
#include "apid/invite.h"

#include "apid/sign_in.h"
#include "common/mail/addr.h"
#include "common/store/store_domain.h"
#include "common/store/store_login.h"
#include "common/store/store_mail.h"

#include <inttypes.h>

enum { MAIL_TEXT_MAX = 8192, SUBJECT_MAX = 1024, HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

struct asking {
	const struct invite_kind *kind;
	struct invite invite;
};

static int64_t setting(struct req *r, size_t offset)
{
	int64_t value;

	memcpy(&value, (const char *)r->app->settings + offset, sizeof(value));
	return value;
}

const char *invite_span(struct arena *a, const struct invite *inv)
{
	if (inv->lifetime_ms >= 2 * DAY_MS)
		return arena_printf(a, "%" PRId64 " days", inv->lifetime_ms / DAY_MS);
	return arena_printf(a, "%" PRId64 " hours", inv->lifetime_ms / HOUR_MS);
}

static bool read_address(struct req *r, const struct invite_kind *kind, struct invite *inv)
{
	struct slice given = S("");

	if (!req_json(r, kind->body, &given))
		return false;
	if (given.n == 0)
		resp_errorf(&r->resp, 400, "%s is required", kind->field);
	else if (!sign_in_address(slice_trim(given), &r->arena, &inv->address, &inv->domain))
		resp_errorf(&r->resp, 400, "%s must be an e-mail address", kind->field);
	else
		return true;
	return false;
}

/* ---- the mail ---- */

/*
 * With any tag it is the same human. What the account may not send does not spend what
 * others may.
 */
static bool admit_mail(struct req *r, const struct invite_kind *kind, struct slice address)
{
	struct slice folded, local, domain;
	const char *whom;

	if (addr_fold(address, &r->arena, &folded) || !addr_split(folded, &local, &domain))
		return false;
	local = addr_without_tag(local);
	whom = arena_printf(&r->arena, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain));
	return limit_admit_name(r, kind->mails,
				slice_str(arena_printf(&r->arena, "%.*s:%s",
						       SLICE_ARGS(r->principal.user_id), whom))) &&
	       limit_admit_name(r, kind->mails_all, slice_str(whom));
}

static enum err mail_human(struct req *r, const struct asking *ask, struct slice to,
			   struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX);
	AUTO(buf_release) struct buf subject = BUF_INIT(SUBJECT_MAX);
	struct store_mail mail = {
		.kind = ask->kind->name,
		.user_id = r->principal.user_id,
		.to = to,
		.lifetime_ms = ask->invite.lifetime_ms,
	};
	struct store_login_user owner;
	enum err e = store_login_user(r->db, mail.user_id, &r->arena, &owner, fail);

	if (e)
		return e;
	ask->kind->write(r, &ask->invite, owner.email, &subject, &text);
	mail.subject = buf_slice(&subject);
	mail.text = buf_slice(&text);
	e = store_mail_add(r->db, r->app->keys, &mail, fail);
	crypto_wipe(text.p, text.len);
	return e;
}

/* ---- the question ---- */

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

static enum err act(struct req *r, void *arg, struct fail *fail)
{
	const struct asking *ask = arg;
	struct invite inv = ask->invite;
	struct invite_asked asked;
	bool ours;
	enum err e = judge_domain(r, inv.domain, &ours, fail);

	if (e)
		return e;
	inv.mailed = inv.mailed && !ours;
	e = ask->kind->ask(r, &inv, &asked, fail);
	if (e == OK && asked.mailed)
		e = mail_human(r, ask, asked.address, fail);
	return e;
}

static void run(struct req *r, struct asking *ask)
{
	struct fail fail = { 0 };

	switch (req_act(r, act, ask, &fail)) {
	case OK:
		break;
	case ERR_FORBIDDEN:
		resp_errorf(&r->resp, 400, "%s must not be on a domain of this deployment",
			    ask->kind->field);
		break;
	case ERR_TOO_BIG:
		resp_errorf(&r->resp, 403, "at most %" PRId64 " %s per agent; %s", ask->invite.most,
			    ask->kind->names, ask->kind->when_full);
		break;
	case ERR_NOT_FOUND:
		req_deny(r);
		break;
	case ERR_UNAUTHORIZED:
		resp_error(&r->resp, 401, "unauthorized");
		break;
	default:
		req_fail(r, &fail,
			 arena_printf(&r->arena, "failed to ask for the %s", ask->kind->name));
		break;
	}
}

void invite_run(struct req *r, const struct invite_kind *kind)
{
	struct asking ask = { .kind = kind };
	struct invite *inv = &ask.invite;
	char token[TOKEN_HEX_LEN + 1];

	if (!req_agent(r, &inv->agent) || !read_address(r, kind, inv))
		return;
	if (r->app->sign_in->origin.n == 0) {
		resp_errorf(&r->resp, 403, "%s are switched off on this server", kind->names);
		return;
	}
	inv->lifetime_ms = setting(r, kind->lifetime_ms);
	inv->most = setting(r, kind->most);
	inv->mailed = admit_mail(r, kind, inv->address);
	id_random_hex(TOKEN_HEX_LEN, token);
	crypto_sha256(slice_str(token), inv->hash);
	inv->token = token;
	run(r, &ask);
	crypto_wipe(token, sizeof(token));
}
