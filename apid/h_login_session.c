/* SPDX-License-Identifier: Apache-2.0 */
/* Who is signed in, and signing out. */
#include "apid/handlers.h"
#include "apid/pending.h"
#include "apid/sign_in.h"
#include "common/store/store_login.h"
#include "common/store/store_session.h"

void login_me(struct req *r)
{
	struct store_login_user user;
	struct fail fail = { 0 };
	struct jsonw *w;
	enum err e = store_login_user(r->db, r->principal.user_id, &r->arena, &user, &fail);

	if (e == ERR_NOT_FOUND) {
		resp_error(&r->resp, 401, "not authenticated");
		return;
	}
	if (e) {
		req_fail(r, &fail, "failed to load user");
		return;
	}
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key_text(w, "id", user.id);
	jsonw_key_text(w, "email", user.email);
	jsonw_key_text(w, "name", user.name);
	resp_key_time(w, "created_at", user.created_us);
	jsonw_object_end(w);
}

void login_home(struct req *r)
{
	struct fail fail = { 0 };
	enum err e = req_session(r, &fail);

	if (e == ERR_UNAUTHORIZED)
		sign_in_redirect(r, 303, LOGIN_PATH);
	else if (e)
		req_fail(r, &fail, "not available now, try again later");
	else if (!pending_next(r))
		sign_in_redirect(r, 303, "/");
}

/* A session that cannot be deleted now is not said to be. */
static bool end_session(struct req *r)
{
	struct fail fail = { 0 };
	enum err e = req_session(r, &fail);

	if (e == OK)
		e = store_session_delete(r->db, r->principal.session_hash, &fail);
	if (e && e != ERR_UNAUTHORIZED) {
		req_fail(r, &fail, "not available now, try again later");
		return false;
	}
	return true;
}

void login_logout(struct req *r)
{
	bool cookie = req_cookie(r, S(AUTH_SESSION_COOKIE)).n > 0;

	if (cookie && (!req_same_origin(r) || !end_session(r)))
		return;
	resp_empty(&r->resp, 200);
	sign_in_set_cookie(r, AUTH_SESSION_COOKIE, S(""), "/", 0);
}
