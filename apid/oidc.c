/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our side of OpenID Connect. The provider's answers are checked, not trusted;
 * its texts go to the log, never to a client.
 */
#include "apid/oidc.h"

#include "apid/oidc_doc.h"
#include "apid/oidc_http.h"
#include "apid/oidc_token.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define SCOPE "openid email profile"

enum {
	FORM_MAX = 32 * 1024,
	TOKEN_MAX = 16 * 1024,
	DISCOVERY_KEPT_MS = 3600 * 1000,
	FAILURE_KEPT_MS = 5000, /* so that a provider that hangs is not asked by everybody */
	HMAC_TEXT_MAX = 64
};

struct oidc {
	const struct settings *settings;
	const struct keys *keys;
	struct dns *dns;
	struct arena arena;
	struct slice issuer;
	const char *redirect_uri;
	bool plain; /* the issuer is on this computer and may speak http */
	/* the provider as it was discovered; one thread asks, the others wait for it */
	pthread_mutex_t lock;
	struct arena found_arena;
	struct oidc_discovery found;
	int64_t found_until_ms, failed_until_ms;
};

enum err oidc_new(const struct settings *s, const struct keys *keys, struct dns *dns,
		  struct slice origin, struct oidc **ret, struct fail *fail)
{
	struct slice issuer = slice_str(s->oidc_issuer);
	struct oidc *o;

	if (!oidc_http_admits(issuer, true) || slice_find(issuer, '?') >= 0)
		return fail_set(fail, ERR_CONFIG, "oidc_issuer is not an https URL");
	if (origin.n == 0)
		return fail_set(fail, ERR_CONFIG, "oidc_issuer needs public_url");
	if (!*s->oidc_client_id)
		return fail_set(fail, ERR_CONFIG, "oidc_issuer needs oidc_client_id");
	o = mem_zalloc(sizeof(*o));
	o->settings = s;
	o->keys = keys;
	o->dns = dns;
	o->issuer = issuer;
	o->plain = slice_istarts(issuer, S("http:"));
	o->redirect_uri = arena_printf(&o->arena, "%.*s" OIDC_CALLBACK_PATH, SLICE_ARGS(origin));
	pthread_mutex_init(&o->lock, NULL);
	oidc_http_init();
	*ret = o;
	return OK;
}

void oidc_free(struct oidc *o)
{
	if (!o)
		return;
	pthread_mutex_destroy(&o->lock);
	arena_release(&o->found_arena);
	arena_release(&o->arena);
	free(o);
}

static enum err call(struct oidc *o, struct oidc_call *c, struct buf *ret, struct fail *fail)
{
	long status = 0;
	enum err e;

	c->deadline_ms = clock_mono_ms() + OIDC_CALL_MS;
	e = oidc_http_call(o->dns, c, ret, &status, fail);
	if (e)
		return e;
	if (status >= 400 && status < 500)
		return fail_set(fail, ERR_FORBIDDEN, "the provider said %ld", status);
	if (status != 200)
		return fail_set(fail, ERR_NETWORK, "the provider said %ld", status);
	return OK;
}

/* ---- discovery ---- */

static enum err check_discovery(const struct oidc *o, const struct oidc_discovery *d,
				struct fail *fail)
{
	if (!slice_eq(d->issuer, o->issuer))
		return fail_set(fail, ERR_INPUT, "discovery names another issuer");
	if (!oidc_http_admits(d->authorization_endpoint, o->plain) ||
	    !oidc_http_admits(d->token_endpoint, o->plain) ||
	    !oidc_http_admits(d->userinfo_endpoint, o->plain))
		return fail_set(fail, ERR_INPUT, "discovery names an endpoint without https");
	return OK;
}

static enum err discover(struct oidc *o, struct arena *a, struct oidc_discovery *ret,
			 struct fail *fail)
{
	AUTO(buf_release) struct buf answer = BUF_INIT(OIDC_ANSWER_MAX);
	struct slice base = o->issuer;
	struct oidc_call c = { 0 };
	enum err e;

	if (slice_ends(base, S("/")))
		base.n--;
	c.url = arena_printf(a, "%.*s/.well-known/openid-configuration", SLICE_ARGS(base));
	if ((e = call(o, &c, &answer, fail)))
		return e == ERR_FORBIDDEN ? ERR_NETWORK : e;
	e = oidc_doc_discovery(buf_slice(&answer), a, ret, fail);
	return e ? e : check_discovery(o, ret, fail);
}

static enum err renew(struct oidc *o, int64_t now_ms, struct fail *fail)
{
	struct arena a = ARENA_INIT;
	struct oidc_discovery d = { 0 };
	enum err e;

	if (now_ms < o->failed_until_ms)
		return fail_set(fail, ERR_NETWORK, "the provider failed a moment ago");
	e = discover(o, &a, &d, fail);
	if (e) {
		arena_release(&a);
		o->failed_until_ms = clock_mono_ms() + FAILURE_KEPT_MS;
		return e;
	}
	arena_release(&o->found_arena);
	o->found_arena = a;
	o->found = d;
	o->found_until_ms = now_ms + DISCOVERY_KEPT_MS;
	return OK;
}

static void copy(const struct oidc_discovery *d, struct arena *a, struct oidc_discovery *ret)
{
	*ret = (struct oidc_discovery){
		.issuer = arena_slice(a, d->issuer),
		.authorization_endpoint = arena_slice(a, d->authorization_endpoint),
		.token_endpoint = arena_slice(a, d->token_endpoint),
		.userinfo_endpoint = arena_slice(a, d->userinfo_endpoint),
		.secret_in_body = d->secret_in_body,
	};
}

static enum err find_provider(struct oidc *o, struct arena *a, struct oidc_discovery *ret,
			      struct fail *fail)
{
	enum err e = OK;
	int64_t now_ms;

	pthread_mutex_lock(&o->lock);
	now_ms = clock_mono_ms();
	if (now_ms >= o->found_until_ms)
		e = renew(o, now_ms, fail);
	if (e == OK)
		copy(&o->found, a, ret);
	pthread_mutex_unlock(&o->lock);
	return e;
}

/* ---- what the browser's cookie stands for ---- */

/* base64url of HMAC(key, purpose NUL nonce): 43 characters, as RFC 7636 4.1 wants at least. */
static struct slice derive(const struct oidc *o, const char *purpose, struct slice nonce,
			   struct arena *a)
{
	AUTO(buf_release) struct buf text = BUF_INIT(HMAC_TEXT_MAX * 2);
	AUTO(buf_release) struct buf out = BUF_INIT(HMAC_TEXT_MAX);
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
	enum err e = find_provider(o, &a, &d, fail);

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
		.issuer = o->issuer,
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
	enum err e = find_provider(o, a, &d, fail);

	if (e)
		return e;
	c.url = arena_dup(a, d.token_endpoint);
	c.form = token_request(o, &d, nonce, code, a);
	if (!c.form)
		return fail_set(fail, ERR_FORBIDDEN, "the code is too long");
	if (*o->settings->oidc_client_secret && !d.secret_in_body)
		c.authorization = basic_authorization(o, a);
	e = call(o, &c, &answer, fail);
	return e ? e : read_tokens(o, buf_slice(&answer), nonce, a, ret_access, ret_subject, fail);
}

enum err oidc_ask_user(struct oidc *o, struct slice access, struct slice subject, struct arena *a,
		       struct oidc_user *ret, struct fail *fail)
{
	AUTO(buf_release) struct buf answer = BUF_INIT(OIDC_ANSWER_MAX);
	struct oidc_userinfo info;
	struct oidc_discovery d;
	struct oidc_call c = { 0 };
	enum err e = find_provider(o, a, &d, fail);

	if (e)
		return e;
	c.url = arena_dup(a, d.userinfo_endpoint);
	c.authorization = arena_printf(a, "Bearer %.*s", SLICE_ARGS(access));
	if ((e = call(o, &c, &answer, fail)) ||
	    (e = oidc_doc_userinfo(buf_slice(&answer), a, &info, fail)))
		return e;
	if (!slice_eq(info.sub, subject))
		return fail_set(fail, ERR_FORBIDDEN, "userinfo is of another subject");
	*ret = (struct oidc_user){ info.sub, info.email, info.email_verified, info.name };
	return OK;
}
