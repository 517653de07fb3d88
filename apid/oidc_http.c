/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, one handle a call. It must never follow, resolve or retry by itself:
 * names are looked up by our resolver, so that a time-out is one.
 */
#include "apid/oidc_http.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/version.h"
#include "common/base/weburl.h"

#include <curl/curl.h>
#include <stdlib.h>

enum { RESOLVE_MAX = 4096, CONNECT_MS = 3000 };

static void handle_free(CURL **h)
{
	curl_easy_cleanup(*h);
}

static void list_free(struct curl_slist **l)
{
	curl_slist_free_all(*l);
}

void oidc_http_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		abort();
}

bool oidc_http_admits(struct slice url, bool plain)
{
	struct weburl u;

	if (weburl_parse(url, &u, NULL) || slice_find(url, '#') >= 0)
		return false;
	return u.https || (plain && weburl_is_loopback(&u));
}

static enum err add_addresses(struct dns *dns, const struct weburl *u, enum dns_type type,
			      int64_t deadline_ms, struct buf *entry, size_t *n)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct dns_answer answer;
	enum err e = dns_query(dns, u->host, type, deadline_ms, &a, &answer, NULL);

	if (e)
		return e == ERR_NOT_FOUND || e == ERR_TOO_BIG ? OK : e;
	for (size_t i = 0; i < answer.n; i++) {
		struct netaddr address;
		char text[NETADDR_TEXT_MAX];

		if (netaddr_from_bytes(answer.v[i], &address))
			continue;
		netaddr_text(&address, text);
		buf_addf(entry, address.n == 16 ? "%s[%s]" : "%s%s", *n ? "," : "", text);
		++*n;
	}
	return OK;
}

/* "host:port:address,address" (CURLOPT_RESOLVE); nothing for addresses and localhost. */
static enum err resolve(struct dns *dns, const struct oidc_call *call, int64_t deadline_ms,
			struct curl_slist **ret, struct fail *fail)
{
	AUTO(buf_release) struct buf entry = BUF_INIT(RESOLVE_MAX);
	struct weburl u;
	size_t n = 0;
	enum err v4, v6;

	if (weburl_parse(slice_str(call->url), &u, fail))
		return ERR_INPUT;
	if (u.literal || weburl_is_loopback(&u))
		return OK;
	buf_add_slice(&entry, u.host);
	buf_addf(&entry, ":%u:", u.port);
	v4 = add_addresses(dns, &u, DNS_A, deadline_ms, &entry, &n);
	v6 = add_addresses(dns, &u, DNS_AAAA, deadline_ms, &entry, &n);
	if (n == 0)
		return fail_set(fail,
				v4   ? v4
				: v6 ? v6
				     : ERR_DNS,
				"%.*s has no address", SLICE_ARGS(slice_sub(u.host, 0, 100)));
	*ret = curl_slist_append(NULL, buf_cstr(&entry));
	return OK;
}

struct answer {
	struct buf *body;
	size_t head; /* bytes */
	bool too_long;
};

/* Less taken than given ends the call. */
static size_t on_head(char *p, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	(void)p;
	a->head += size * n;
	a->too_long = a->too_long || a->head > OIDC_ANSWER_MAX;
	return a->too_long ? 0 : size * n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	buf_add(a->body, p, size * n);
	a->too_long = a->too_long || buf_failed(a->body);
	return a->too_long ? 0 : size * n;
}

static void set_limits(CURL *h, int64_t left_ms)
{
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(left_ms < CONNECT_MS ? left_ms : CONNECT_MS));
	curl_easy_setopt(h, CURLOPT_MAXFILESIZE, (long)OIDC_ANSWER_MAX);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "e2a/" E2A_VERSION);
}

static struct curl_slist *make_headers(const struct oidc_call *call)
{
	AUTO(buf_release) struct buf line = BUF_INIT(OIDC_ANSWER_MAX);
	struct curl_slist *l = curl_slist_append(NULL, "Accept: application/json");

	if (!call->authorization)
		return l;
	buf_addf(&line, "Authorization: %s", call->authorization);
	return curl_slist_append(l, buf_cstr(&line));
}

static enum err failed(CURLcode code, const char *detail, bool too_long, struct fail *fail)
{
	if (code == CURLE_FILESIZE_EXCEEDED || too_long)
		return fail_set(fail, ERR_TOO_BIG, "the answer has more than %d bytes",
				OIDC_ANSWER_MAX);
	return fail_set(fail, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_NETWORK, "%s",
			*detail ? detail : curl_easy_strerror(code));
}

static void set_call(CURL *h, const struct oidc_call *call, struct answer *answer)
{
	curl_easy_setopt(h, CURLOPT_URL, call->url);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, answer);
	if (call->form)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->form);
}

static enum err check_status(CURL *h, struct fail *fail)
{
	long status = 0;

	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return OK;
	return fail_set(fail, status >= 400 && status < 500 ? ERR_FORBIDDEN : ERR_NETWORK,
			"the provider said %ld", status);
}

enum err oidc_http_call(struct dns *dns, const struct oidc_call *call, struct buf *ret,
			struct fail *fail)
{
	AUTO(list_free) struct curl_slist *addresses = NULL;
	AUTO(list_free) struct curl_slist *headers = NULL;
	AUTO(handle_free) CURL *h = NULL;
	struct answer answer = { .body = ret };
	char detail[CURL_ERROR_SIZE] = "";
	int64_t deadline_ms = clock_mono_ms() + OIDC_CALL_MS, left_ms;
	enum err e = resolve(dns, call, deadline_ms, &addresses, fail);
	CURLcode code;

	if (e)
		return e;
	left_ms = deadline_ms - clock_mono_ms();
	if (left_ms <= 0)
		return fail_set(fail, ERR_TIMEOUT, "no time is left");
	h = curl_easy_init();
	if (!h)
		abort();
	headers = make_headers(call);
	set_limits(h, left_ms);
	set_call(h, call, &answer);
	curl_easy_setopt(h, CURLOPT_RESOLVE, addresses);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, detail);
	code = curl_easy_perform(h);
	return code ? failed(code, detail, answer.too_long, fail) : check_status(h, fail);
}
