/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second half of signing in by link. GET shows a button and knows nothing;
 * only POST, from that page and the browser that asked, uses the link up. Why one
 * is of no use is never told. A link that an operator made carries its token behind
 * the `#`, which no server and no log sees, and presses its button by itself.
 */
#include "apid/h_login.h"
#include "apid/handlers.h"
#include "apid/page.h"
#include "apid/sign_in.h"
#include "common/base/log.h"
#include "common/store/store_login.h"

static void say_other_browser(struct req *r)
{
	page_message(r, 400, "Open it where you asked",
		     "This link works only in the browser that asked for it. Open it there, or ask "
		     "for another one in this browser.");
}

void login_link_page(struct req *r)
{
	struct slice token = target_query(&r->target, S("t"));
	struct buf *out;

	if (!id_token_valid(token)) {
		page_message(r, 400, "This link is incomplete",
			     "Copy all of it, also what stands in the next line of the mail.");
		return;
	}
	if (!id_token_valid(req_cookie(r, S(LOGIN_BROWSER_COOKIE)))) {
		say_other_browser(r);
		return;
	}
	out = page_begin(r, 200,
			 &(struct page_head){ .title = "Sign in", .posts_to = PAGE_POST_SELF });
	page_paragraph(out, "One more step: confirm that it is you who signs in.");
	buf_add_str(out, "<form method=\"post\" action=\"" LOGIN_LINK_PATH "\">\n");
	page_hidden(out, "t", token);
	buf_add_str(out, "<button type=\"submit\" autofocus>Sign in</button>\n</form>\n");
	page_end(out);
}

/* Whoever opened such a page before is signed in. */
static const char open_script[] = "const form = document.getElementById(\"open\");\n"
				  "form.elements.t.value = location.hash.slice(1);\n"
				  "history.replaceState(null, \"\", location.pathname);\n"
				  "if (form.elements.t.value)\n\tform.submit();\n";

void login_open_page(struct req *r)
{
	char nonce[TOKEN_HEX_LEN + 1];
	struct buf *out;

	id_random_hex(TOKEN_HEX_LEN, nonce);
	out = page_begin(r, 200,
			 &(struct page_head){
				 .title = "Sign in", .posts_to = PAGE_POST_SELF, .nonce = nonce });
	page_paragraph(out, "Signing in with the link that you opened. It takes a browser that "
			    "runs scripts.");
	buf_add_str(out, "<form method=\"post\" id=\"open\" action=\"" LOGIN_LINK_PATH "\">\n"
			 "<input type=\"hidden\" name=\"t\" value=\"\">\n</form>\n"
			 "<p><a href=\"" LOGIN_PATH "\">Sign in another way</a></p>\n");
	buf_addf(out, "<script nonce=\"%s\">\n%s</script>\n", nonce, open_script);
	page_end(out);
}

struct use {
	struct req *r;
	struct slice token, browser;
	struct store_login_link link;
	struct sign_in_entry entry;
};

static enum err use_link(struct db *db, void *arg, struct fail *fail)
{
	struct use *u = arg;
	struct req *r = u->r;
	uint8_t token_hash[SHA256_LEN], browser_hash[SHA256_LEN];
	enum err e;

	crypto_sha256(u->token, token_hash);
	crypto_sha256(u->browser, browser_hash);
	e = store_login_use_link(db, token_hash, browser_hash, &r->arena, &u->link, fail);
	if (e)
		return e;
	if (!sign_in_address(u->link.email, &r->arena, &u->entry.email, &u->entry.domain))
		return fail_set(fail, ERR_FORBIDDEN, "the link has no usable address");
	return sign_in_enter(r, &u->entry, fail);
}

/* Who opens a link a second time wants to be where it led. */
static void refuse(struct req *r)
{
	if (req_session(r, &(struct fail){ 0 }) == OK) {
		sign_in_redirect(r, 303, LOGIN_HOME);
		return;
	}
	page_message(
		r, 410, "This link is of no use",
		"It was used already, is too old, or was asked for by another browser. Ask for "
		"another one.");
}

static void finish(struct use *u)
{
	struct cli_login cli;

	log_info("signed_in", LF_STR("request", u->r->id), LF_STR("by", "mail"),
		 LF_SLICE("user", u->entry.user_id));
	if (!cli_login_check(u->r, u->link.cli_callback, u->link.cli_state, &cli))
		return;
	sign_in_finish(u->r, 303, &u->entry, &cli);
	sign_in_set_cookie(u->r, LOGIN_BROWSER_COOKIE, S(""), LOGIN_COOKIE_PATH, 0);
}

void login_link_use(struct req *r)
{
	struct use u = { .r = r };
	struct fail fail = { 0 };
	enum err e = ERR_NOT_FOUND;

	if (!req_own_form(r))
		return;
	u.token = req_form(r, S("t"));
	u.browser = req_cookie(r, S(LOGIN_BROWSER_COOKIE));
	sign_in_entry_init(&u.entry);
	if (id_token_valid(u.token))
		e = db_tx(r->db, use_link, &u, &fail);
	if (e == OK)
		finish(&u);
	else if (e == ERR_NOT_FOUND || e == ERR_FORBIDDEN)
		refuse(r);
	else
		req_fail(r, &fail, "not available now, try again later");
	sign_in_entry_wipe(&u.entry);
}
