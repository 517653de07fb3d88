/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first half of signing in by mail. Whoever asks learns nothing about an
 * address: the page and the work are the same for one that has an account.
 */
#include "apid/h_login.h"
#include "apid/handlers.h"
#include "apid/page.h"
#include "apid/sign_in.h"
#include "common/mail/addr.h"
#include "common/store/store_login.h"
#include "common/store/store_mail.h"

enum { MAIL_TEXT_MAX = 8192, SUBJECT_MAX = 512, MINUTE_MS = 60 * 1000 };

struct ask {
	struct req *r;
	struct cli_login cli;
	struct slice email, domain;
	bool admitted; /* by the limit of the address */
	char token[TOKEN_HEX_LEN + 1];
	char browser[TOKEN_HEX_LEN + 1];
};

static void write_form(struct buf *out, const struct cli_login *cli)
{
	buf_add_str(out, "<form method=\"post\" action=\"" LOGIN_PATH "\">\n"
			 "<label for=\"email\">E-mail address</label>\n"
			 "<input type=\"email\" id=\"email\" name=\"email\" required autofocus "
			 "autocomplete=\"email\" maxlength=\"320\">\n");
	cli_login_hidden(out, cli);
	buf_add_str(out, "<button type=\"submit\">Mail me a link</button>\n</form>\n");
}

static void write_provider(struct req *r, struct buf *out, const struct cli_login *cli)
{
	buf_addf(out, "<a class=\"act%s\" href=\"", r->app->sign_in->mail ? " less" : "");
	page_text(out, slice_str(cli_login_path(r, LOGIN_PATH "?provider=oidc", cli)));
	buf_add_str(out, "\">Continue with ");
	page_text(out, slice_str(r->app->settings->oidc_name));
	buf_add_str(out, "</a>\n");
}

static void write_key_form(struct buf *out)
{
	buf_add_str(out, "<details>\n<summary>Use an API key instead</summary>\n"
			 "<form method=\"post\" action=\"" LOGIN_KEY_PATH "\">\n"
			 "<label for=\"key\">API key of the account</label>\n"
			 "<input type=\"password\" id=\"key\" name=\"key\" required "
			 "autocomplete=\"off\" maxlength=\"200\">\n"
			 "<button type=\"submit\" class=\"less\">Sign in with the key</button>\n"
			 "</form>\n</details>\n");
}

static void show_form(struct req *r, int status, const char *note, const struct cli_login *cli)
{
	struct buf *out = page_begin(
		r, status, &(struct page_head){ .title = "Sign in", .posts_to = PAGE_POST_SELF });

	if (cli->callback.n)
		page_paragraph(out, "A program on this computer wants to use your account. Sign in "
				    "first; then you are asked what it may do.");
	if (note)
		page_paragraph(out, note);
	if (r->app->sign_in->mail)
		write_form(out, cli);
	if (r->app->sign_in->oidc)
		write_provider(r, out, cli);
	if (cli->callback.n == 0) /* a key makes no keys */
		write_key_form(out);
	page_end(out);
}

static void say_off(struct req *r)
{
	page_message(r, 403, "Sign in", "Signing in by mail is switched off on this server.");
}

/* Whether somebody is signed in who may give a program a key. False when it was answered. */
static bool look_for_session(struct req *r, bool *ret)
{
	struct fail fail = { 0 };
	enum err e = req_session(r, &fail);

	if (e && e != ERR_UNAUTHORIZED) {
		req_fail(r, &fail, "not available now, try again later");
		return false;
	}
	*ret = e == OK && !r->principal.by_key;
	return true;
}

void login_page(struct req *r)
{
	const struct sign_in *s = r->app->sign_in;
	bool provider = slice_eq(target_query(&r->target, S("provider")), S("oidc"));
	bool signed_in = false;
	struct cli_login cli;

	if (!cli_login_query(r, &cli))
		return;
	if (!s->mail && !s->oidc && cli.callback.n)
		say_off(r);
	else if (cli.callback.n && !look_for_session(r, &signed_in))
		return;
	else if (signed_in)
		sign_in_redirect(r, 302, cli_login_path(r, CLI_CONSENT_PATH, &cli));
	else if (s->oidc && (provider || !s->mail))
		login_begin_oidc(r, &cli);
	else
		show_form(r, 200, NULL, &cli);
}

/* ---- the mail ---- */

static void write_mail(const struct ask *ask, struct buf *text)
{
	struct req *r = ask->r;
	const struct settings *s = r->app->settings;
	struct slice origin = r->app->sign_in->origin;

	buf_addf(text, "Somebody at %.*s asked to sign in to\n%.*s with this address",
		 SLICE_ARGS(r->client), SLICE_ARGS(origin));
	if (ask->cli.callback.n)
		buf_addf(text, ", for a program\non that computer that listens on port %u",
			 ask->cli.url.port);
	buf_addf(text,
		 ".\n\nIf it was you, open this link in the same browser and confirm there. It is\n"
		 "good once, for %lld minutes:\n\n%.*s" LOGIN_LINK_PATH "?t=%s\n\n"
		 "If it was not you, ignore this mail: nothing happens without the link.\n"
		 "Do not pass it on.\n",
		 (long long)(s->sign_in_link_ms / MINUTE_MS), SLICE_ARGS(origin), ask->token);
}

static enum err add_mail(struct ask *ask, struct slice to, struct slice user_id, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX);
	AUTO(buf_release) struct buf subject = BUF_INIT(SUBJECT_MAX);
	const struct app *app = ask->r->app;
	struct store_mail mail = {
		.kind = "sign_in",
		.user_id = user_id,
		.to = to,
		.lifetime_ms = app->settings->sign_in_link_ms,
	};
	enum err e;

	buf_addf(&subject, "Sign in to %.*s", SLICE_ARGS(app->sign_in->origin));
	write_mail(ask, &text);
	mail.subject = buf_slice(&subject);
	mail.text = buf_slice(&text);
	e = store_mail_add(ask->r->db, app->keys, &mail, fail);
	crypto_wipe(text.p, text.len);
	return e;
}

/*
 * For an address that gets no mail a link is stored as well, one that is good for
 * nobody: so the commit takes as long.
 */
static enum err ask_for_link(struct db *db, void *arg, struct fail *fail)
{
	struct ask *ask = arg;
	struct req *r = ask->r;
	const struct store_login_link link = { ask->email, ask->cli.callback, ask->cli.state };
	uint8_t token_hash[SHA256_LEN], browser_hash[SHA256_LEN];
	struct store_login_address found;
	bool known;
	enum err e = store_login_find(db, ask->email, ask->domain, &r->arena, &found, fail);

	if (e)
		return e;
	known = ask->admitted && !found.ours && (found.user_id.n || r->app->settings->sign_up);
	crypto_sha256(slice_str(ask->token), token_hash);
	crypto_sha256(slice_str(ask->browser), browser_hash);
	e = store_login_add_link(db, token_hash, browser_hash, &link,
				 known ? r->app->settings->sign_in_link_ms : 0, fail);
	if (e || !known)
		return e;
	/* To the address as the account has it, never as somebody spelled it. */
	return add_mail(ask, found.user_id.n ? found.email : ask->email, found.user_id, fail);
}

/* A browser that asks twice keeps its cookie, so that each of its links works. */
static void find_browser(struct ask *ask)
{
	struct slice cookie = req_cookie(ask->r, S(LOGIN_BROWSER_COOKIE));

	if (id_token_valid(cookie))
		snprintf(ask->browser, sizeof(ask->browser), "%.*s", SLICE_ARGS(cookie));
	else
		id_random_hex(TOKEN_HEX_LEN, ask->browser);
}

static void say_sent(const struct ask *ask)
{
	struct req *r = ask->r;
	int64_t minutes = r->app->settings->sign_in_link_ms / MINUTE_MS;
	struct buf *out = page_begin(r, 200, &(struct page_head){ .title = "Look at your mail" });

	buf_add_str(out, "<p>If <b>");
	page_text(out, ask->email);
	buf_addf(out,
		 "</b> %s, a mail is on its way. Open its link in this browser within %lld "
		 "minutes.</p>\n",
		 r->app->settings->sign_up ? "may sign in here" : "has an account",
		 (long long)minutes);
	page_paragraph(out, "You can close this page.");
	page_end(out);
	sign_in_set_cookie(r, LOGIN_BROWSER_COOKIE, slice_str(ask->browser), LOGIN_COOKIE_PATH,
			   r->app->settings->sign_in_link_ms / 1000);
}

void login_ask(struct req *r)
{
	struct ask ask = { .r = r };
	struct fail fail = { 0 };
	struct slice folded;

	if (!req_own_form(r) || !cli_login_form(r, &ask.cli))
		return;
	if (!r->app->sign_in->mail) {
		say_off(r);
		return;
	}
	if (!sign_in_address(slice_trim(req_form(r, S("email"))), &r->arena, &ask.email,
			     &ask.domain)) {
		show_form(r, 400, "That is not an e-mail address.", &ask.cli);
		return;
	}
	ask.admitted = addr_fold(ask.email, &r->arena, &folded) == OK &&
		       limit_admit_name(r, LIMIT_SIGN_IN, folded);
	id_random_hex(TOKEN_HEX_LEN, ask.token);
	find_browser(&ask);
	if (db_tx(r->db, ask_for_link, &ask, &fail))
		req_fail(r, &fail, "not available now, try again later");
	else
		say_sent(&ask);
	crypto_wipe(ask.token, sizeof(ask.token));
}
