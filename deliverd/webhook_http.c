/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's sockets and timer on our loop. It must never resolve a name by
 * itself: addresses come with the call, and the socket function has the last
 * word about each of them.
 */
#include "deliverd/webhook_http.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/version.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define USER_AGENT "e2a/" E2A_VERSION

enum { CONNECT_MS_MAX = 10000, DNS_CACHE_S = 60, EASY_CACHE = 64, RETRY_AFTER_MAX_S = 86400 };

struct webhook_http {
	struct loop *loop;
	const struct webhook_policy *policy;
	CURLM *multi;
	struct loop_timer *timer;
	CURL *spare[EASY_CACHE]; /* handles without a call */
	size_t spare_n;
	struct transfer *active;
	char *ca_file; /* NULL: the system's */
};

struct transfer {
	struct webhook_http *http;
	struct http_call call;
	CURL *easy;
	struct curl_slist *headers, *resolve;
	size_t received;
	char *text; /* what is kept of the body, or NULL */
	size_t text_n;
	bool refused; /* the socket function said no */
	struct transfer *next, **link;
};

/* ---- sockets and timer ---- */

static void check_done(struct webhook_http *h);

static void act(struct webhook_http *h, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(h->multi, fd, what, &running);
	check_done(h);
}

static void timer_fired(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void socket_ready(int fd, unsigned events, void *arg)
{
	act(arg, fd,
	    (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
		    (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct webhook_http *h = arg;
	struct loop_watch *w = socket_arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		loop_watch_free(w);
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (!w) {
		w = loop_watch_new(h->loop, fd, socket_ready, h);
		curl_multi_assign(h->multi, fd, w);
	}
	loop_watch_set(w, (what & CURL_POLL_IN ? LOOP_READ : 0u) |
				  (what & CURL_POLL_OUT ? LOOP_WRITE : 0u));
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct webhook_http *h = arg;

	(void)multi;
	if (ms < 0)
		loop_timer_stop(h->timer);
	else
		loop_timer_start(h->timer, ms);
	return 0;
}

/* ---- one transfer ---- */

static enum err address_of(const struct curl_sockaddr *a, struct netaddr *ret)
{
	const void *p = &a->addr;

	if (a->family == AF_INET)
		return netaddr_from_bytes(
			slice_of((const char *)&((const struct sockaddr_in *)p)->sin_addr, 4), ret);
	if (a->family == AF_INET6)
		return netaddr_from_bytes(
			slice_of((const char *)&((const struct sockaddr_in6 *)p)->sin6_addr, 16),
			ret);
	return ERR_INPUT;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = arg;
	struct netaddr address;

	(void)purpose;
	if (address_of(a, &address) ||
	    !webhook_policy_admits(t->http->policy, &t->call.target->url, &address)) {
		t->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A success has nothing to say; what a failure says may tell its owner why. */
static void keep(struct transfer *t, struct slice s)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 300 || t->text_n == HTTP_ANSWER_KEPT)
		return;
	if (!t->text)
		t->text = mem_alloc(HTTP_ANSWER_KEPT);
	s = slice_sub(s, 0, HTTP_ANSWER_KEPT - t->text_n);
	memcpy(t->text + t->text_n, s.p, s.n);
	t->text_n += s.n;
}

/* Too much of a body ends the call. */
static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	keep(t, slice_of(p, size * n));
	t->received += size * n;
	return t->received > HTTP_ANSWER_MAX ? 0 : size * n;
}

/* "+host:port:address,address": an entry of libcurl's name cache that expires. */
static struct curl_slist *resolve_entry(const struct webhook_target *target)
{
	AUTO(buf_release) struct buf b = BUF_INIT(4096);

	if (target->url.literal)
		return NULL;
	buf_add_char(&b, '+');
	buf_add_slice(&b, target->url.host);
	buf_addf(&b, ":%u:", target->url.port);
	for (size_t i = 0; i < target->n; i++) {
		char text[NETADDR_TEXT_MAX];

		netaddr_text(&target->v[i], text);
		buf_addf(&b, target->v[i].n == 16 ? "%s[%s]" : "%s%s", i ? "," : "", text);
	}
	return curl_slist_append(NULL, buf_cstr(&b));
}

static void set_options(struct transfer *t)
{
	struct webhook_http *h = t->http;
	CURL *e = t->easy;
	int64_t left_ms = t->call.deadline_ms - clock_mono_ms();
	int64_t timeout_ms = left_ms > 1 ? left_ms : 1; /* 0 would be for ever */
	int64_t connect_ms = timeout_ms < CONNECT_MS_MAX ? timeout_ms : CONNECT_MS_MAX;

	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_URL, t->call.url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
	curl_easy_setopt(e, CURLOPT_RESOLVE, t->resolve);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->call.body.p);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->call.body.n);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	if (h->ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
}

static CURL *easy_get(struct webhook_http *h)
{
	CURL *e = h->spare_n ? h->spare[--h->spare_n] : curl_easy_init();

	if (!e)
		abort();
	return e;
}

static void easy_put(struct webhook_http *h, CURL *e)
{
	if (h->spare_n == EASY_CACHE) {
		curl_easy_cleanup(e);
		return;
	}
	curl_easy_reset(e);
	h->spare[h->spare_n++] = e;
}

void webhook_http_post(struct webhook_http *h, const struct http_call *call)
{
	struct transfer *t = mem_zalloc(sizeof(*t));

	t->http = h;
	t->call = *call;
	t->easy = easy_get(h);
	for (size_t i = 0; i < call->headers_n; i++)
		t->headers = curl_slist_append(t->headers, call->headers[i]);
	t->resolve = resolve_entry(call->target);
	t->next = h->active;
	t->link = &h->active;
	if (h->active)
		h->active->link = &t->next;
	h->active = t;
	set_options(t);
	if (curl_multi_add_handle(h->multi, t->easy))
		abort();
}

static void transfer_end(struct transfer *t, const struct http_answer *answer)
{
	struct webhook_http *h = t->http;
	struct http_call call = t->call;

	curl_multi_remove_handle(h->multi, t->easy);
	easy_put(h, t->easy);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->resolve);
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	call.done(answer, call.arg);
	free(t->text);
	free(t);
}

/* What a failed call is called in the ledger; anything else broke off. */
static const struct {
	CURLcode code;
	enum event_reason reason;
} reasons[] = {
	{ CURLE_OPERATION_TIMEDOUT, EVENT_TIMEOUT }, { CURLE_COULDNT_CONNECT, EVENT_CONNECT },
	{ CURLE_COULDNT_RESOLVE_HOST, EVENT_DNS },   { CURLE_URL_MALFORMAT, EVENT_URL_REFUSED },
	{ CURLE_SSL_CONNECT_ERROR, EVENT_TLS },      { CURLE_PEER_FAILED_VERIFICATION, EVENT_TLS },
	{ CURLE_SSL_CERTPROBLEM, EVENT_TLS },        { CURLE_SSL_CIPHER, EVENT_TLS },
	{ CURLE_SSL_CACERT_BADFILE, EVENT_TLS },     { CURLE_SSL_ISSUER_ERROR, EVENT_TLS },
	{ CURLE_SSL_INVALIDCERTSTATUS, EVENT_TLS },
};

static enum event_reason reason_of(const struct transfer *t, CURLcode code, int64_t status)
{
	/* Too long an answer is an answer. */
	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && status)) {
		if (status >= 200 && status < 300)
			return EVENT_NO_REASON;
		return status == 410 ? EVENT_HTTP_GONE : EVENT_HTTP_STATUS;
	}
	if (t->refused)
		return EVENT_ADDRESS_REFUSED;
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].code == code)
			return reasons[i].reason;
	return EVENT_BROKEN;
}

static void read_answer(const struct transfer *t, CURLcode code, struct http_answer *ret)
{
	long status = 0;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > RETRY_AFTER_MAX_S)
		retry_after = RETRY_AFTER_MAX_S;
	ret->reason = reason_of(t, code, status);
	ret->status =
		ret->reason && ret->reason != EVENT_HTTP_STATUS && ret->reason != EVENT_HTTP_GONE
			? 0
			: status;
	ret->retry_after_ms = retry_after > 0 ? retry_after * 1000 : 0;
	ret->text = slice_of(t->text, t->text_n);
}

static void check_done(struct webhook_http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct http_answer answer;
		char *private = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		read_answer((struct transfer *)(void *)private, m->data.result, &answer);
		transfer_end((struct transfer *)(void *)private, &answer);
	}
}

void webhook_http_abort(struct webhook_http *h)
{
	const struct http_answer broken = { .reason = EVENT_BROKEN };

	while (h->active)
		transfer_end(h->active, &broken);
}

enum err webhook_http_new(struct loop *loop, const struct settings *s,
			  const struct webhook_policy *policy, struct webhook_http **ret,
			  struct fail *fail)
{
	struct webhook_http *h;

	if (*s->webhook_ca_file && access(s->webhook_ca_file, R_OK))
		return fail_set(fail, ERR_CONFIG, "webhook_ca_file = %.160s: %s",
				s->webhook_ca_file, strerror(errno));
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return fail_set(fail, ERR_CONFIG, "libcurl cannot be initialised");
	h = mem_zalloc(sizeof(*h));
	h->loop = loop;
	h->policy = policy;
	h->ca_file = *s->webhook_ca_file ? mem_strdup(s->webhook_ca_file) : NULL;
	h->timer = loop_timer_new(loop, timer_fired, h);
	h->multi = curl_multi_init();
	if (!h->multi)
		abort();
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	/* those in use and as many that were left behind */
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 2 * (long)s->webhook_concurrency);
	*ret = h;
	return OK;
}

void webhook_http_free(struct webhook_http *h)
{
	if (!h)
		return;
	assert(!h->active);
	for (size_t i = 0; i < h->spare_n; i++)
		curl_easy_cleanup(h->spare[i]);
	curl_multi_cleanup(h->multi);
	loop_timer_free(h->timer);
	free(h->ca_file);
	free(h);
	curl_global_cleanup();
}
