/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in with an OpenID provider. What the provider says goes to the log;
 * the browser is told which step failed and the request's id.
 */
#include "apid/h_login.h"
#include "apid/handlers.h"
#include "apid/oidc_state.h"
#include "apid/page.h"
#include "apid/sign_in.h"
#include "common/base/log.h"

enum { STATE_COOKIE_S = 600 };

static void forget_state(struct req *r)
{
	sign_in_set_cookie(r, LOGIN_STATE_COOKIE, S(""), "/", 0);
}

/* The provider's failure: what the browser sees of it. */
static void fail_provider(struct req *r, const char *step, const struct fail *fail)
{
	bool refused = fail->code == ERR_FORBIDDEN;
	const char *why = refused ? "the provider refused"
				  : "the provider cannot be reached now, try again later";

	log_warn("oidc_failed", LF_STR("request", r->id), LF_STR("step", step),
		 LF_STR("error", err_info(fail->code)->name), LF_STR("detail", fail->what));
	page_message(r, refused ? 400 : 502, "Signing in failed",
		     arena_printf(&r->arena, "%s: %s (%s)", step, why, r->id));
}

void login_begin_oidc(struct req *r, const struct cli_login *cli)
{
	AUTO(buf_release) struct buf state_text = BUF_INIT(OIDC_STATE_MAX * 2);
	AUTO(buf_release) struct buf location = BUF_INIT(OIDC_URL_MAX);
	struct oidc_state state = { .callback = cli->callback, .cli_state = cli->state };
	char nonce[TOKEN_HEX_LEN + 1];
	struct fail fail = { 0 };

	id_random_hex(OIDC_NONCE_LEN, nonce);
	state.nonce = slice_str(nonce);
	if (oidc_state_write(&state, &state_text)) {
		resp_error(&r->resp, 400, "invalid cli_state");
		return;
	}
	if (oidc_begin(r->app->sign_in->oidc, state.nonce, buf_slice(&state_text), &location,
		       &fail)) {
		fail_provider(r, "oauth request failed", &fail);
		return;
	}
	sign_in_redirect(r, 302, arena_dup(&r->arena, buf_slice(&location)));
	sign_in_set_cookie(r, LOGIN_STATE_COOKIE, state.nonce, "/", STATE_COOKIE_S);
}

struct callback {
	struct req *r;
	struct cli_login cli;
	struct slice nonce, code;
	struct oidc_user user;
	struct sign_in_entry entry;
};

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

static bool read_callback(struct callback *c)
{
	struct req *r = c->r;
	struct slice text = target_query(&r->target, S("state"));
	struct oidc_state state;

	c->code = target_query(&r->target, S("code"));
	if (c->code.n == 0 || text.n == 0)
		return bad(r, "missing code or state");
	if (oidc_state_read(text, &r->arena, &state) ||
	    !crypto_equal(state.nonce, req_cookie(r, S(LOGIN_STATE_COOKIE))))
		return bad(r, "invalid oauth state");
	c->nonce = state.nonce;
	return cli_login_check(r, state.callback, state.cli_state, &c->cli);
}

/* True when the provider vouches for a verified address. */
static bool ask_provider(struct callback *c)
{
	struct req *r = c->r;
	struct oidc *o = r->app->sign_in->oidc;
	struct slice access, subject;
	struct fail fail = { 0 };

	if (oidc_redeem(o, c->nonce, c->code, &r->arena, &access, &subject, &fail))
		fail_provider(r, "oauth exchange failed", &fail);
	else if (oidc_ask_user(o, access, subject, &r->arena, &c->user, &fail))
		fail_provider(r, "failed to fetch user info", &fail);
	else if (!c->user.email_verified)
		page_message(r, 403, "Signing in failed",
			     arena_printf(&r->arena, "email not verified with %s",
					  r->app->settings->oidc_name));
	else
		return true;
	return false;
}

static void refuse(struct req *r)
{
	page_message(r, 403, "Signing in failed", "no account for this address");
}

static enum err enter(struct db *db, void *arg, struct fail *fail)
{
	struct callback *c = arg;

	(void)db;
	return sign_in_enter(c->r, &c->entry, fail);
}

static void start_session(struct callback *c)
{
	struct req *r = c->r;
	struct fail fail = { 0 };
	enum err e = ERR_FORBIDDEN;

	c->entry.issuer = slice_str(r->app->settings->oidc_issuer);
	c->entry.subject = c->user.subject;
	c->entry.name = c->user.name;
	if (sign_in_address(c->user.email, &r->arena, &c->entry.email, &c->entry.domain))
		e = db_tx(r->db, enter, c, &fail);
	if (e == ERR_FORBIDDEN) {
		log_info("sign_in_refused", LF_STR("request", r->id), LF_STR("by", "oidc"),
			 LF_STR("detail", fail.what));
		refuse(r);
	} else if (e) {
		req_fail(r, &fail, "failed to create session");
	} else {
		log_info("signed_in", LF_STR("request", r->id), LF_STR("by", "oidc"),
			 LF_SLICE("user", c->entry.user_id));
		sign_in_finish(r, 302, &c->entry, &c->cli);
	}
}

void login_callback(struct req *r)
{
	struct callback c = { .r = r };

	if (!r->app->sign_in->oidc) {
		page_message(r, 403, "Sign in",
			     "Signing in with a provider is switched off on this server.");
		return;
	}
	if (!read_callback(&c))
		return;
	sign_in_entry_init(&c.entry);
	if (ask_provider(&c))
		start_session(&c);
	forget_state(r);
	sign_in_entry_wipe(&c.entry);
}
