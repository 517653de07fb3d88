/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in with an API key: the session reaches what the key reaches, ends with it, and
 * makes no keys. The key goes no further than this; the browser keeps the cookie.
 */
#include "apid/h_login.h"
#include "apid/handlers.h"
#include "apid/page.h"
#include "apid/sign_in.h"
#include "common/base/apikey.h"
#include "common/base/log.h"
#include "common/store/store_session.h"

struct key_form {
	struct slice key;
};

static const struct jsonf_row rows[] = {
	{ "key", JSONF_TEXT, offsetof(struct key_form, key), JSONF_NO_GIVEN },
	{ 0 },
};

static bool is_json(const struct req *r)
{
	return slice_starts(r->field.content_type, S("application/json"));
}

/* A script reads a line of text, a person a page. */
static void refuse(struct req *r, int status, const char *text)
{
	if (is_json(r))
		resp_error(&r->resp, status, text);
	else
		page_message(r, status, "Not signed in", text);
}

static bool read_key(struct req *r, struct slice *ret)
{
	struct key_form form = { 0 };

	if (!req_own_form(r) || (is_json(r) && !req_json(r, rows, &form)))
		return false;
	*ret = slice_trim(is_json(r) ? form.key : req_form(r, S("key")));
	return true;
}

/* ERR_UNAUTHORIZED for a key that opens nothing; ERR_FORBIDDEN for one of a single agent. */
static enum err open_session(struct req *r, struct slice key, struct apikey *session,
			     struct fail *fail)
{
	struct principal p;
	enum err e = auth_principal(r->db, key, &r->arena, &p, fail);

	if (e)
		return e;
	if (p.agent_scope)
		return fail_set(fail, ERR_FORBIDDEN, "the key is bound to an agent");
	apikey_new(session);
	e = store_session_create_by_key(r->db, p.key_id, session->hash,
					r->app->settings->session_lifetime_ms, fail);
	if (e == OK)
		log_info("signed_in", LF_STR("request", r->id), LF_STR("by", "key"),
			 LF_SLICE("key", p.key_id), LF_SLICE("user", p.user_id));
	return e;
}

static void finish(struct req *r, const struct apikey *session)
{
	if (is_json(r)) {
		struct jsonw *w = resp_json(&r->resp, 200);

		jsonw_object(w);
		jsonw_key_text(w, "status", S("signed in"));
		jsonw_object_end(w);
	} else {
		sign_in_redirect(r, 303, LOGIN_HOME);
	}
	sign_in_set_cookie(r, AUTH_SESSION_COOKIE, slice_str(session->text), "/",
			   r->app->settings->session_lifetime_ms / 1000);
}

void login_by_key(struct req *r)
{
	struct apikey session = { 0 };
	struct fail fail = { 0 };
	struct slice key;
	enum err e;

	if (!read_key(r, &key))
		return;
	e = open_session(r, key, &session, &fail);
	if (e == OK)
		finish(r, &session);
	else if (e == ERR_UNAUTHORIZED)
		refuse(r, 401, "There is no such API key, or it is revoked or expired.");
	else if (e == ERR_FORBIDDEN)
		refuse(r, 403,
		       "This key reaches one agent. Signing in takes a key of the account.");
	else
		req_fail(r, &fail, "not available now, try again later");
	apikey_wipe(&session);
}
