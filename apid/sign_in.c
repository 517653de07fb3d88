/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a proven address to a session. Neither way of signing in may have a rule
 * of its own about who gets in.
 */
#include "apid/sign_in.h"

#include "apid/page.h"
#include "common/base/utf8.h"
#include "common/base/weburl.h"
#include "common/mail/addr.h"
#include "common/mail/authsig.h"
#include "common/store/store_login.h"
#include "common/store/store_secret.h"
#include "common/store/store_session.h"
#include "common/store/store_user.h"

#include <stdlib.h>

#define SECRET_NAME "default"

enum { NAME_BYTES_MAX = 200, COOKIE_MAX = 512 };

/* scheme "://" authority; it stays empty without a public_url. */
static enum err read_public_url(struct slice url, struct sign_in *ret, struct fail *fail)
{
	struct weburl u;

	if (url.n == 0)
		return OK;
	if (weburl_parse(url, &u, NULL))
		return fail_set(fail, ERR_CONFIG, "public_url is not an http or https URL");
	ret->origin = weburl_origin(url);
	ret->secure = u.https;
	ret->exposed = !u.https && !weburl_is_loopback(&u);
	return OK;
}

enum err sign_in_new(const struct settings *set, const struct keys *keys, struct dns *dns,
		     struct sign_in **ret, struct fail *fail)
{
	struct sign_in s = { 0 };
	enum err e = read_public_url(slice_str(set->public_url), &s, fail);

	if (e == OK && *set->oidc_issuer)
		e = oidc_new(set, keys, dns, s.origin, &s.oidc, fail);
	if (e)
		return e;
	s.mail = set->sign_in_mail && s.origin.n;
	*ret = mem_zalloc(sizeof(**ret));
	**ret = s;
	return OK;
}

void sign_in_free(struct sign_in *s)
{
	if (!s)
		return;
	oidc_free(s->oidc);
	free(s);
}

bool sign_in_address(struct slice text, struct arena *a, struct slice *ret_email,
		     struct slice *ret_domain)
{
	struct slice local, domain, email;

	if (slice_ends(text, S(".")))
		text = slice_sub(text, 0, text.n - 1);
	if (addr_usable(text, a, &email) || !addr_split(email, &local, &domain))
		return false;
	*ret_email = email;
	*ret_domain = domain;
	return true;
}

void sign_in_set_cookie(struct req *r, const char *name, struct slice value, const char *path,
			int64_t max_age_s)
{
	AUTO(buf_release) struct buf b = BUF_INIT(COOKIE_MAX);

	buf_addf(&b, "%s=%.*s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=Lax%s", name,
		 SLICE_ARGS(value), path, (long long)max_age_s,
		 r->app->sign_in->secure ? "; Secure" : "");
	resp_header(&r->resp, "Set-Cookie", arena_slice(&r->arena, buf_slice(&b)));
}

void sign_in_redirect(struct req *r, int status, const char *location)
{
	resp_empty(&r->resp, status);
	r->resp.location = location;
}

void sign_in_entry_init(struct sign_in_entry *e)
{
	apikey_new(&e->session);
	id_random_hex(TOKEN_HEX_LEN, e->secret);
}

void sign_in_entry_wipe(struct sign_in_entry *e)
{
	apikey_wipe(&e->session);
	crypto_wipe(e->secret, sizeof(e->secret));
}

static enum err forbid(struct fail *fail, const char *why)
{
	return fail_set(fail, ERR_FORBIDDEN, "%s", why);
}

static enum err sign_up(struct req *r, struct sign_in_entry *e, struct fail *fail)
{
	struct slice name = utf8_cut(utf8_clean(&r->arena, e->name), NAME_BYTES_MAX);
	struct store_user user;
	enum err err;

	if (!r->app->settings->sign_up)
		return forbid(fail, "no account has this address");
	err = store_user_ensure(r->db, e->email, name, &r->arena, &user, fail);
	if (err == OK)
		e->user_id = user.id;
	return err;
}

/* An identity is given to an account once. Of two sign-ins at a time the second finds it. */
static enum err add_identity(struct req *r, struct sign_in_entry *e, struct fail *fail)
{
	struct slice owner;
	enum err err = store_login_add_identity(r->db, e->issuer, e->subject, e->user_id, fail);

	if (err != ERR_CONFLICT)
		return err;
	err = store_login_find_identity(r->db, e->issuer, e->subject, &r->arena, &owner, fail);
	if (err == OK && slice_eq(owner, e->user_id))
		return OK;
	return err == OK || err == ERR_NOT_FOUND ? forbid(fail, "the account has another identity")
						 : err;
}

/* The account of the identity, else of the address. */
static enum err find_account(struct req *r, struct sign_in_entry *e, struct fail *fail)
{
	struct store_login_address found;
	enum err err = store_login_find(r->db, e->email, e->domain, &r->arena, &found, fail);

	if (err)
		return err;
	if (found.ours)
		return forbid(fail, "the address is on a domain of this deployment");
	if (e->issuer.n) {
		err = store_login_find_identity(r->db, e->issuer, e->subject, &r->arena,
						&e->user_id, fail);
		if (err != ERR_NOT_FOUND)
			return err;
	}
	e->user_id = found.user_id;
	if (e->user_id.n == 0 && (err = sign_up(r, e, fail)))
		return err;
	return e->issuer.n ? add_identity(r, e, fail) : OK;
}

enum err sign_in_enter(struct req *r, struct sign_in_entry *e, struct fail *fail)
{
	enum err err = find_account(r, e, fail);

	if (err)
		return err;
	err = store_secret_ensure(r->db, r->app->keys, e->user_id, S(SECRET_NAME),
				  slice_str(e->secret), &e->secret_made, fail);
	return err ? err
		   : store_session_create(r->db, e->user_id, e->session.hash,
					  r->app->settings->session_lifetime_ms, fail);
}

static void write_secret(struct buf *out, const char *label, struct slice value)
{
	page_paragraph(out, label);
	buf_add_str(out, "<code>");
	page_text(out, value);
	buf_add_str(out, "</code>\n");
}

static void welcome(struct req *r, const struct sign_in_entry *e, const char *next)
{
	AUTO(buf_release) struct buf whsec = BUF_INIT(256);
	struct buf *out = page_begin(r, 200, &(struct page_head){ .title = "Welcome" });

	authsig_whsec(slice_str(e->secret), &whsec);
	page_paragraph(out, "Your account is ready. This is its signing secret, with which your "
			    "programs check that a webhook call comes from here. Save it now: it "
			    "is not shown again.");
	write_secret(out, "As it is:", slice_str(e->secret));
	write_secret(out, "For Standard Webhooks libraries:", buf_slice(&whsec));
	buf_add_str(out, "<a class=\"act\" href=\"");
	page_text(out, slice_str(next));
	buf_add_str(out, "\">Continue</a>\n");
	page_end(out);
	crypto_wipe(whsec.p, whsec.len);
}

static const char *next_of(struct req *r, const struct cli_login *cli)
{
	if (cli->callback.n)
		return cli_login_path(r, CLI_CONSENT_PATH, cli);
	return arena_printf(&r->arena, "%.*s/dashboard", SLICE_ARGS(r->app->sign_in->origin));
}

void sign_in_finish(struct req *r, int status, const struct sign_in_entry *e,
		    const struct cli_login *cli)
{
	const char *next = next_of(r, cli);

	if (e->secret_made)
		welcome(r, e, next);
	else
		sign_in_redirect(r, status, next);
	sign_in_set_cookie(r, AUTH_SESSION_COOKIE, slice_str(e->session.text), "/",
			   r->app->settings->session_lifetime_ms / 1000);
}
