/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our side of OpenID Connect. The provider's answers are checked, not trusted;
 * its texts go to the log, never to a client.
 */
#include "apid/oidc.h"

#include "apid/oidc_http.h"
#include "apid/oidc_provider.h"
#include "apid/oidc_token.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>

#define SCOPE "openid email profile"

enum { FORM_MAX = 32 * 1024, TOKEN_MAX = 16 * 1024, MAC_TEXT_MAX = 128 };

struct oidc {
	const struct settings *settings;
	const struct keys *keys;
	struct dns *dns;
	struct arena arena;
	const char *redirect_uri;
	struct oidc_provider *provider;
};

enum err oidc_new(const struct settings *s, const struct keys *keys, struct dns *dns,
		  struct slice origin, struct oidc **ret, struct fail *fail)
{
	struct oidc_provider *provider;
	struct oidc *o;
	enum err e;

	if (origin.n == 0)
		return fail_set(fail, ERR_CONFIG, "oidc_issuer needs public_url");
	if (!*s->oidc_client_id)
		return fail_set(fail, ERR_CONFIG, "oidc_issuer needs oidc_client_id");
	e = oidc_provider_new(slice_str(s->oidc_issuer), dns, &provider, fail);
	if (e)
		return e;
	o = mem_zalloc(sizeof(*o));
	o->settings = s;
	o->keys = keys;
	o->dns = dns;
	o->provider = provider;
	o->redirect_uri = arena_printf(&o->arena, "%.*s" OIDC_CALLBACK_PATH, SLICE_ARGS(origin));
	*ret = o;
	return OK;
}

void oidc_free(struct oidc *o)
{
	if (!o)
		return;
	oidc_provider_free(o->provider);
	arena_release(&o->arena);
	free(o);
}

/* ---- what the browser's cookie stands for ---- */

/* base64url of HMAC(key, purpose NUL nonce): 43 characters, as RFC 7636 4.1 wants at least. */
static struct slice derive(const struct oidc *o, const char *purpose, struct slice nonce,
			   struct arena *a)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAC_TEXT_MAX);
	AUTO(buf_release) struct buf out = BUF_INIT(MAC_TEXT_MAX);
	uint8_t mac[SHA256_LEN];

	buf_add_str(&text, purpose);
	buf_add_char(&text, '\0');
	buf_add_slice(&text, nonce);
	crypto_hmac_sha256(keys_get(o->keys, KEY_SIGN_IN), buf_slice(&text), mac);
	base64url_encode(slice_of((const char *)mac, sizeof(mac)), &out);
	return arena_slice(a, buf_slice(&out));
}

static struct slice verifier_of(const struct oidc *o, struct slice nonce, struct arena *a)
{
	return derive(o, "pkce", nonce, a);
}

static struct slice oidc_nonce_of(const struct oidc *o, struct slice nonce, struct arena *a)
{
	return derive(o, "nonce", nonce, a);
}

static void add_parameter(struct buf *b, const char *name, struct slice value)
{
	buf_addf(b, "&%s=", name);
	percent_encode(value, b);
}

static void add_challenge(struct buf *b, struct slice verifier)
{
	uint8_t hash[SHA256_LEN];

	crypto_sha256(verifier, hash);
	buf_add_str(b, "&code_challenge_method=S256&code_challenge=");
	base64url_encode(slice_of((const char *)hash, sizeof(hash)), b);
}

enum err oidc_begin(struct oidc *o, struct slice nonce, struct slice state, struct buf *ret,
		    struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct oidc_discovery d;
	enum err e = oidc_provider_find(o->provider, &a, &d, fail);

	if (e)
		return e;
	buf_add_slice(ret, d.authorization_endpoint);
	buf_add_str(ret, slice_find(d.authorization_endpoint, '?') < 0 ? "?" : "&");
	buf_add_str(ret, "response_type=code");
	add_parameter(ret, "client_id", slice_str(o->settings->oidc_client_id));
	add_parameter(ret, "redirect_uri", slice_str(o->redirect_uri));
	add_parameter(ret, "scope", S(SCOPE));
	add_parameter(ret, "state", state);
	add_parameter(ret, "nonce", oidc_nonce_of(o, nonce, &a));
	add_challenge(ret, verifier_of(o, nonce, &a));
	return buf_failed(ret) ? fail_set(fail, ERR_TOO_BIG, "the request is too long") : OK;
}

/* ---- the code becomes a user ---- */

/* RFC 6749 2.3.1: both are form-encoded before they are joined. */
static const char *basic_authorization(const struct oidc *o, struct arena *a)
{
	AUTO(buf_release) struct buf pair = BUF_INIT(TOKEN_MAX);
	AUTO(buf_release) struct buf line = BUF_INIT(TOKEN_MAX * 2);
	const char *copied;

	percent_encode(slice_str(o->settings->oidc_client_id), &pair);
	buf_add_char(&pair, ':');
	percent_encode(slice_str(o->settings->oidc_client_secret), &pair);
	buf_add_str(&line, "Basic ");
	base64_encode(buf_slice(&pair), &line);
	copied = arena_dup(a, buf_slice(&line));
	crypto_wipe(pair.p, pair.len);
	return copied;
}

static const char *token_request(const struct oidc *o, const struct oidc_discovery *d,
				 struct slice nonce, struct slice code, struct arena *a)
{
	AUTO(buf_release) struct buf form = BUF_INIT(FORM_MAX);
	struct slice secret = slice_str(o->settings->oidc_client_secret);

	buf_add_str(&form, "grant_type=authorization_code");
	add_parameter(&form, "code", code);
	add_parameter(&form, "redirect_uri", slice_str(o->redirect_uri));
	add_parameter(&form, "code_verifier", verifier_of(o, nonce, a));
	if (secret.n == 0 || d->secret_in_body)
		add_parameter(&form, "client_id", slice_str(o->settings->oidc_client_id));
	if (secret.n && d->secret_in_body)
		add_parameter(&form, "client_secret", secret);
	return buf_failed(&form) ? NULL : arena_dup(a, buf_slice(&form));
}

/* A bearer token (RFC 6750 2.1): it becomes part of a header line. */
static bool is_bearer(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= TOKEN_MAX;
}

static enum err read_tokens(const struct oidc *o, struct slice json, struct slice nonce,
			    struct arena *a, struct slice *ret_access, struct slice *ret_subject,
			    struct fail *fail)
{
	const struct oidc_expect expect = {
		.issuer = slice_str(o->settings->oidc_issuer),
		.client_id = slice_str(o->settings->oidc_client_id),
		.nonce = oidc_nonce_of(o, nonce, a),
		.now_s = clock_now_us() / 1000000,
	};
	struct oidc_tokens tokens;
	enum err e = oidc_doc_tokens(json, a, &tokens, fail);

	if (e == OK && !is_bearer(tokens.access_token))
		e = fail_set(fail, ERR_INPUT, "the access token is malformed");
	if (e == OK)
		e = oidc_token_check(tokens.id_token, &expect, a, ret_subject, fail);
	if (e == OK)
		*ret_access = tokens.access_token;
	return e;
}

enum err oidc_redeem(struct oidc *o, struct slice nonce, struct slice code, struct arena *a,
		     struct slice *ret_access, struct slice *ret_subject, struct fail *fail)
{
	AUTO(buf_release) struct buf answer = BUF_INIT(OIDC_ANSWER_MAX);
	struct oidc_discovery d;
	struct oidc_call c = { 0 };
	enum err e = oidc_provider_find(o->provider, a, &d, fail);

	if (e)
		return e;
	c.url = arena_dup(a, d.token_endpoint);
	c.form = token_request(o, &d, nonce, code, a);
	if (!c.form)
		return fail_set(fail, ERR_FORBIDDEN, "the code is too long");
	if (*o->settings->oidc_client_secret && !d.secret_in_body)
		c.authorization = basic_authorization(o, a);
	e = oidc_http_call(o->dns, &c, &answer, fail);
	return e ? e : read_tokens(o, buf_slice(&answer), nonce, a, ret_access, ret_subject, fail);
}

enum err oidc_ask_user(struct oidc *o, struct slice access, struct slice subject, struct arena *a,
		       struct oidc_user *ret, struct fail *fail)
{
	AUTO(buf_release) struct buf answer = BUF_INIT(OIDC_ANSWER_MAX);
	struct oidc_userinfo info;
	struct oidc_discovery d;
	struct oidc_call c = { 0 };
	enum err e = oidc_provider_find(o->provider, a, &d, fail);

	if (e)
		return e;
	c.url = arena_dup(a, d.userinfo_endpoint);
	c.authorization = arena_printf(a, "Bearer %.*s", SLICE_ARGS(access));
	if ((e = oidc_http_call(o->dns, &c, &answer, fail)) ||
	    (e = oidc_doc_userinfo(buf_slice(&answer), a, &info, fail)))
		return e;
	if (!slice_eq(info.sub, subject))
		return fail_set(fail, ERR_FORBIDDEN, "userinfo is of another subject");
	*ret = (struct oidc_user){ info.sub, info.email, info.email_verified, info.name };
	return OK;
}
