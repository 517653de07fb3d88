/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery. An endpoint that is not https never becomes one of ours. */
#include "apid/oidc_provider.h"

#include "apid/oidc_http.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#include <pthread.h>
#include <stdlib.h>

enum { KEPT_MS = 3600 * 1000, FAILURE_KEPT_MS = 5000 };

struct oidc_provider {
	struct slice issuer;
	struct dns *dns;
	bool plain; /* the issuer is on this computer and may speak http */
	pthread_mutex_t lock;
	struct arena arena; /* of what was found */
	struct oidc_discovery found;
	int64_t found_until_ms, failed_until_ms;
};

enum err oidc_provider_new(struct slice issuer, struct dns *dns, struct oidc_provider **ret,
			   struct fail *fail)
{
	struct oidc_provider *p;

	if (!oidc_http_admits(issuer, true) || slice_find(issuer, '?') >= 0)
		return fail_set(fail, ERR_CONFIG, "oidc_issuer is not an https URL");
	oidc_http_init();
	p = mem_zalloc(sizeof(*p));
	p->issuer = issuer;
	p->dns = dns;
	p->plain = slice_istarts(issuer, S("http:"));
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return OK;
}

void oidc_provider_free(struct oidc_provider *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	arena_release(&p->arena);
	free(p);
}

static enum err check_discovery(const struct oidc_provider *p, const struct oidc_discovery *d,
				struct fail *fail)
{
	if (!slice_eq(d->issuer, p->issuer))
		return fail_set(fail, ERR_INPUT, "discovery names another issuer");
	if (!oidc_http_admits(d->authorization_endpoint, p->plain) ||
	    !oidc_http_admits(d->token_endpoint, p->plain) ||
	    !oidc_http_admits(d->userinfo_endpoint, p->plain))
		return fail_set(fail, ERR_INPUT, "discovery names an endpoint without https");
	return OK;
}

static enum err discover(struct oidc_provider *p, struct arena *a, struct oidc_discovery *ret,
			 struct fail *fail)
{
	AUTO(buf_release) struct buf answer = BUF_INIT(OIDC_ANSWER_MAX);
	struct slice base = p->issuer;
	struct oidc_call c = { 0 };
	enum err e;

	if (slice_ends(base, S("/")))
		base.n--;
	c.url = arena_printf(a, "%.*s/.well-known/openid-configuration", SLICE_ARGS(base));
	e = oidc_http_call(p->dns, &c, &answer, fail);
	if (e == ERR_FORBIDDEN) /* it is not the browser that was refused */
		return fail_set(fail, ERR_NETWORK, "%s to discovery", fail->what);
	if (e)
		return e;
	e = oidc_doc_discovery(buf_slice(&answer), a, ret, fail);
	return e ? e : check_discovery(p, ret, fail);
}

static enum err renew(struct oidc_provider *p, int64_t now_ms, struct fail *fail)
{
	struct arena a = ARENA_INIT;
	struct oidc_discovery d = { 0 };
	enum err e;

	if (now_ms < p->failed_until_ms)
		return fail_set(fail, ERR_NETWORK, "the provider failed a moment ago");
	e = discover(p, &a, &d, fail);
	if (e) {
		arena_release(&a);
		p->failed_until_ms = clock_mono_ms() + FAILURE_KEPT_MS;
		return e;
	}
	arena_release(&p->arena);
	p->arena = a;
	p->found = d;
	p->found_until_ms = now_ms + KEPT_MS;
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

enum err oidc_provider_find(struct oidc_provider *p, struct arena *a, struct oidc_discovery *ret,
			    struct fail *fail)
{
	enum err e = OK;
	int64_t now_ms;

	pthread_mutex_lock(&p->lock);
	now_ms = clock_mono_ms();
	if (now_ms >= p->found_until_ms)
		e = renew(p, now_ms, fail);
	if (e == OK)
		copy(&p->found, a, ret);
	pthread_mutex_unlock(&p->lock);
	return e;
}
