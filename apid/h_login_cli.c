/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consent that a program on the user's computer needs before it gets an API
 * key, and the page that brings it the key. No key is made by a GET, nor one that
 * reaches further than the user chose.
 */
#include "apid/h_login.h"
#include "apid/handlers.h"
#include "apid/page.h"
#include "apid/sign_in.h"
#include "common/base/log.h"
#include "common/mail/addr.h"
#include "common/store/store_key.h"
#include "common/store/store_login.h"
#include "common/store/store_user.h"

#define KEY_NAME "CLI login"

enum { NONCE_DIGITS = 32, DAY_MS = 24 * 3600 * 1000 };

struct agents {
	struct store_agent *v; /* newest first */
	size_t n;
};

static bool list_agents(struct req *r, struct agents *ret)
{
	struct fail fail = { 0 };

	if (store_agent_list(r->db, r->principal.user_id, &r->arena, &ret->v, &ret->n, &fail)) {
		req_fail(r, &fail, "failed to list agents");
		return false;
	}
	return true;
}

/* ---- the question ---- */

static void write_agents(struct buf *out, const struct agents *agents)
{
	buf_add_str(out,
		    "<div class=\"choice\">\n<input type=\"radio\" name=\"scope\" "
		    "value=\"agent\" id=\"one\" checked> <label for=\"one\">One agent</label>\n");
	page_paragraph(out, "It reads the mail of this agent and writes as it. It reaches no other "
			    "agent and no setting.");
	buf_add_str(out, "<select name=\"agent\" aria-label=\"Agent\">\n");
	for (size_t i = 0; i < agents->n; i++) {
		buf_add_str(out, "<option>");
		page_text(out, agents->v[i].email);
		buf_add_str(out, "</option>\n");
	}
	buf_add_str(out, "</select>\n</div>\n");
}

static void write_account(struct buf *out, bool only)
{
	buf_addf(out,
		 "<div class=\"choice\">\n<input type=\"radio\" name=\"scope\" value=\"account\" "
		 "id=\"all\"%s> <label for=\"all\">The whole account</label>\n",
		 only ? " checked" : "");
	page_paragraph(out, "It does all that you can do with the API: every agent and its mail, "
			    "making and deleting agents and domains, signing secrets.");
	buf_add_str(out, "</div>\n");
}

static void ask_consent(struct req *r, const struct cli_login *cli, const struct agents *agents,
			struct slice email)
{
	struct buf *out = page_begin(r, 200,
				     &(struct page_head){ .title = "Give a program access?",
							  .posts_to = PAGE_POST_SELF });

	buf_addf(out,
		 "<p>A program on this computer, listening on port <b>%u</b>, asks for an API key "
		 "of the account <b>",
		 cli->url.port);
	page_text(out, email);
	buf_addf(out, "</b>. The key is good for %lld days.</p>\n",
		 (long long)(r->app->settings->cli_key_lifetime_ms / DAY_MS));
	page_paragraph(out, "Allow it only if you have just started that program yourself, such as "
			    "with \"e2a login\".");
	buf_add_str(out, "<form method=\"post\" action=\"" CLI_CONSENT_PATH "\">\n<fieldset>\n"
			 "<legend>What may it do?</legend>\n");
	if (agents->n)
		write_agents(out, agents);
	write_account(out, agents->n == 0);
	buf_add_str(out, "</fieldset>\n");
	cli_login_hidden(out, cli);
	buf_add_str(out,
		    "<button type=\"submit\" name=\"answer\" value=\"allow\">Allow</button>\n"
		    "<button type=\"submit\" class=\"less\" name=\"answer\" value=\"deny\">Deny"
		    "</button>\n</form>\n");
	page_end(out);
}

void login_consent_page(struct req *r)
{
	struct store_login_user user;
	struct fail fail = { 0 };
	struct cli_login cli;
	struct agents agents;
	enum err e;

	if (!cli_login_query(r, &cli))
		return;
	if (cli.callback.n == 0) {
		resp_error(&r->resp, 400, "cli_callback and cli_state are required");
		return;
	}
	e = req_session(r, &fail);
	if (e == OK && r->principal.by_key) /* which makes no keys */
		e = ERR_UNAUTHORIZED;
	if (e == OK)
		e = store_login_user(r->db, r->principal.user_id, &r->arena, &user, &fail);
	if (e == ERR_UNAUTHORIZED || e == ERR_NOT_FOUND)
		sign_in_redirect(r, 302, cli_login_path(r, LOGIN_PATH, &cli));
	else if (e)
		req_fail(r, &fail, "not available now, try again later");
	else if (list_agents(r, &agents))
		ask_consent(r, &cli, &agents, user.email);
}

/* ---- the answer ---- */

struct field {
	const char *name, *value;
};

/* A page that posts these fields to the program by itself, or by its button. */
static void hand_off(struct req *r, const struct cli_login *cli, const char *title,
		     const struct field *fields, size_t n)
{
	char nonce[TOKEN_HEX_LEN + 1];
	struct buf *out;

	id_random_hex(NONCE_DIGITS, nonce);
	out = page_begin(
		r, 200,
		&(struct page_head){ .title = title, .posts_to = cli->url.origin, .nonce = nonce });
	page_paragraph(out, "Going back to the program. If nothing happens, press the button.");
	buf_add_str(out, "<form method=\"post\" id=\"back\" action=\"");
	page_text(out, cli->callback);
	buf_add_str(out, "\">\n");
	page_hidden(out, "cli_state", cli->state);
	for (size_t i = 0; i < n; i++) { /* also when it is empty: the program looks for it */
		buf_addf(out, "<input type=\"hidden\" name=\"%s\" value=\"", fields[i].name);
		page_text(out, slice_str(fields[i].value));
		buf_add_str(out, "\">\n");
	}
	buf_addf(out,
		 "<button type=\"submit\">Continue</button>\n</form>\n"
		 "<script nonce=\"%s\">document.getElementById(\"back\").submit()</script>\n",
		 nonce);
	page_end(out);
}

struct grant {
	struct req *r;
	struct cli_login cli;
	struct store_agent agent; /* the key's; for the whole account the newest, if there is one */
	bool agent_scope;
	struct apikey key;
	struct store_key_item item;
};

static enum err make_key(struct db *db, void *arg, struct fail *fail)
{
	struct grant *g = arg;
	struct req *r = g->r;
	const struct store_key_new key = {
		.user_id = r->principal.user_id,
		.name = S(KEY_NAME),
		.key = &g->key,
		.agent_address = g->agent_scope ? g->agent.address : S(""),
		.lifetime_ms = r->app->settings->cli_key_lifetime_ms,
		.most = r->app->settings->keys_per_user,
	};
	enum err e = store_user_lock(db, key.user_id, fail);

	if (e == OK)
		e = store_login_revoke_keys(db, key.user_id, key.name, fail);
	return e ? e : store_key_create(db, &key, &r->arena, &g->item, fail);
}

static void say_wrong(struct req *r, const char *text)
{
	page_message(r, 400, "No key was made", text);
}

/* The agent that was chosen, or for the whole account the newest there is. */
static bool find_agent(struct grant *g)
{
	struct req *r = g->r;
	struct slice scope = req_form(r, S("scope")), chosen = req_form(r, S("agent"));
	struct agents agents;

	g->agent_scope = slice_eq(scope, S("agent"));
	if (!g->agent_scope && !slice_eq(scope, S("account"))) {
		say_wrong(r, "It was not said what the key is for.");
		return false;
	}
	if (!list_agents(r, &agents))
		return false;
	if (!g->agent_scope) {
		g->agent.email = agents.n ? agents.v[0].email : S("");
		return true;
	}
	for (size_t i = 0; i < agents.n; i++) {
		g->agent = agents.v[i];
		if (slice_eq(g->agent.email, chosen))
			return true;
	}
	say_wrong(r, "There is no such agent.");
	return false;
}

static void allow(struct grant *g)
{
	struct req *r = g->r;
	struct fail fail = { 0 };
	struct field fields[] = {
		{ "api_key", g->key.text },
		{ "agent_email", "" },
	};
	enum err e;

	if (!find_agent(g))
		return;
	fields[1].value = arena_dup(&r->arena, g->agent.email);
	apikey_new(&g->key);
	e = db_tx(r->db, make_key, g, &fail);
	if (e == OK) {
		log_info("cli_key_made", LF_STR("request", r->id), LF_SLICE("key", g->item.id),
			 LF_SLICE("user", r->principal.user_id));
		hand_off(r, &g->cli, "Access given", fields, ARRAY_LEN(fields));
	} else if (e == ERR_TOO_BIG) {
		say_wrong(r, "You have as many API keys as may be. Revoke one first.");
	} else if (e == ERR_NOT_FOUND) {
		say_wrong(r, "There is no such agent.");
	} else if (e == ERR_UNAUTHORIZED) {
		resp_error(&r->resp, 401, "not authenticated");
	} else {
		req_fail(r, &fail, "failed to create API key");
	}
	apikey_wipe(&g->key);
}

static void deny(struct grant *g)
{
	static const struct field fields[] = { { "error", "access denied" } };

	hand_off(g->r, &g->cli, "Access denied", fields, ARRAY_LEN(fields));
}

void login_consent(struct req *r)
{
	struct grant g = { .r = r };
	struct slice answer = req_form(r, S("answer"));

	if (!req_own_form(r) || !cli_login_form(r, &g.cli))
		return;
	if (g.cli.callback.n == 0)
		resp_error(&r->resp, 400, "cli_callback and cli_state are required");
	else if (slice_eq(answer, S("allow")))
		allow(&g);
	else
		deny(&g);
}
