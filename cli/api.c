/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over libcurl, one handle, one request at a time. The server is not trusted: it must never
 * make this program wait without an end, keep more than a ceiling, or send the key elsewhere.
 */
#include "cli/api.h"

#include "common/base/encode.h"
#include "common/base/ids.h"
#include "common/base/utf8.h"
#include "common/base/version.h"
#include "common/base/weburl.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>

#define USER_AGENT "e2a-cli/" E2A_VERSION

enum {
	CONNECT_MS_MAX = 10000,
	HEADERS_MAX = 128 * 1024, /* bytes of them in one answer */
	SLOW_BYTES_PER_S = 64,    /* slower is silent */
	ERROR_TEXT_MAX = 180,
	RETRY_AFTER_MAX_S = 86400,
	REPEATS_MAX = 2, /* after an answer that was lost */
	REPEAT_MS = 300,
	UNDER_WAY_MAX = 20, /* questions whether the first request is over */
	UNDER_WAY_MS = 500,
	WAIT_MS_MIN = 500, /* where the server says "later" and not when */
	URL_MAX = 16 * 1024
};

struct api {
	struct api_options options;
	char *base_url;
	CURL *easy;
	bool direct; /* the server is this computer: past any proxy */
	api_progress_fn *progress;
	void *progress_arg;
};

/* One attempt. */
struct transfer {
	struct api *api;
	const struct api_request *q;
	struct api_answer *answer;
	struct curl_slist *headers;
	size_t headers_n, body_n;
	bool too_big, sink_refused;
	char error[CURL_ERROR_SIZE];
};

/* Is the server this computer? */
static bool is_here(const char *url)
{
	struct weburl u;

	return weburl_parse(slice_str(url), &u, NULL) == OK && weburl_is_loopback(&u);
}

struct api *api_new(const struct api_options *options)
{
	struct slice url = slice_str(options->base_url);
	struct api *a = mem_zalloc(sizeof(*a));

	while (slice_ends(url, S("/")))
		url.n--;
	a->options = *options;
	a->base_url = mem_dup(url.p, url.n);
	a->direct = is_here(a->base_url);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(a->easy = curl_easy_init()))
		abort();
	return a;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	curl_easy_cleanup(a->easy);
	free(a->base_url);
	free(a);
}

const char *api_base_url(const struct api *a)
{
	return a->base_url;
}

void api_on_progress(struct api *a, api_progress_fn *fn, void *arg)
{
	a->progress = fn;
	a->progress_arg = arg;
}

void api_answer_release(struct api_answer *a)
{
	buf_release(&a->body);
}

/* ---- paths ---- */

char *api_path(struct arena *a, const char *fmt, ...)
{
	AUTO(buf_release) struct buf b = BUF_INIT(URL_MAX);
	va_list ap;

	va_start(ap, fmt);
	for (const char *p = fmt; *p; p++) {
		if (*p != '%') {
			buf_add_char(&b, *p);
			continue;
		}
		assert(p[1] == 's');
		p++;
		percent_encode(slice_str(va_arg(ap, const char *)), &b);
	}
	va_end(ap);
	return arena_dup(a, buf_slice(&b));
}

char *api_query(struct arena *a, const char *path, const struct api_param *params)
{
	AUTO(buf_release) struct buf b = BUF_INIT(URL_MAX);
	char sep = '?';

	buf_add_str(&b, path);
	for (; params->name; params++) {
		if (!params->value)
			continue;
		buf_add_char(&b, sep);
		buf_add_str(&b, params->name);
		buf_add_char(&b, '=');
		percent_encode(slice_str(params->value), &b);
		sep = '&';
	}
	return arena_dup(a, buf_slice(&b));
}

/* ---- what comes in ---- */

static bool is_success(int status)
{
	return status >= 200 && status < 300;
}

static int status_of(struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->api->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* 1xx answers come here too, so a server cannot send them for ever. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)p;
	t->headers_n += size * n;
	t->too_big = t->headers_n > HEADERS_MAX;
	return t->too_big ? 0 : size * n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct slice piece = slice_of(p, size * n);

	t->body_n += piece.n;
	if (t->q->sink && is_success(status_of(t))) {
		size_t max = t->q->answer_max ? t->q->answer_max : SIZE_MAX;

		t->too_big = t->body_n > max;
		t->sink_refused = !t->too_big && !t->q->sink(t->q->sink_arg, piece);
		return t->too_big || t->sink_refused ? 0 : piece.n;
	}
	buf_add_slice(&t->answer->body, piece);
	t->too_big = buf_failed(&t->answer->body);
	return t->too_big ? 0 : piece.n;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	struct transfer *t = arg;
	bool is_up = down == 0;

	if (t->api->progress && (up || down))
		t->api->progress(t->api->progress_arg, is_up, (uint64_t)(is_up ? up : down),
				 (uint64_t)(is_up ? up_total : down_total));
	return 0;
}

/* ---- one attempt ---- */

static void add_header(struct transfer *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add_header(struct transfer *t, const char *fmt, ...)
{
	AUTO(buf_release) struct buf b = BUF_INIT(16 * 1024);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	t->headers = curl_slist_append(t->headers, buf_cstr(&b));
	if (!t->headers)
		abort();
}

static void set_headers(struct transfer *t, const char *idempotency_key)
{
	const struct api_request *q = t->q;
	const char *key = q->url ? q->bearer : q->anonymous ? NULL : t->api->options.key;

	if (key)
		add_header(t, "Authorization: Bearer %s", key);
	if (q->body.p)
		add_header(t, "Content-Type: %s", q->type ? q->type : "application/json");
	if (idempotency_key)
		add_header(t, "Idempotency-Key: %s", idempotency_key);
	add_header(t, "Expect:"); /* a server that does not know it costs a second */
	curl_easy_setopt(t->api->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void set_bounds(struct transfer *t)
{
	CURL *e = t->api->easy;
	unsigned silence_s = t->api->options.silence_s;
	const char *ca = getenv("SSL_CERT_FILE");

	silence_s = silence_s ? silence_s : API_SILENCE_S;
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 silence_s * 1000L < CONNECT_MS_MAX ? silence_s * 1000L
							    : (long)CONNECT_MS_MAX);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)API_TIME_MAX_MS);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES_PER_S);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)silence_s);
	curl_easy_setopt(e, CURLOPT_USERAGENT, USER_AGENT);
	if (t->q->url ? is_here(t->q->url) : t->api->direct)
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (ca && *ca)
		curl_easy_setopt(e, CURLOPT_CAINFO, ca);
}

static void set_request(struct transfer *t, const char *url)
{
	CURL *e = t->api->easy;
	const struct api_request *q = t->q;
	const char *method = q->method ? q->method : "GET";

	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
	if (q->body.p || slice_eq(slice_str(method), S("POST"))) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body.p ? q->body.p : "");
	}
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
}

static void read_meta(struct transfer *t)
{
	const char *type = NULL;
	curl_off_t retry_after = 0;
	struct curl_header *h;

	t->answer->status = status_of(t);
	t->answer->retry_after_ms = -1;
	curl_easy_getinfo(t->api->easy, CURLINFO_CONTENT_TYPE, &type);
	t->answer->is_html = slice_istarts(slice_str(type), S("text/html"));
	if (curl_easy_header(t->api->easy, "Retry-After", 0, CURLH_HEADER, -1, &h) == CURLHE_OK &&
	    curl_easy_getinfo(t->api->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK)
		t->answer->retry_after_ms =
			1000 * (retry_after < RETRY_AFTER_MAX_S ? retry_after : RETRY_AFTER_MAX_S);
}

/* The attempt never reached the server, or nobody can tell what became of it. */
static bool is_lost(const struct api_request *q, CURLcode code)
{
	if (code == CURLE_OPERATION_TIMEDOUT) /* who only reads has waited long enough */
		return q->creates;
	return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
	       code == CURLE_PARTIAL_FILE;
}

/* For somebody who thinks of asking for the same once more. */
static const char *doubt(const struct api_request *q, CURLcode code)
{
	bool arrived = code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
		       code == CURLE_PARTIAL_FILE || code == CURLE_OPERATION_TIMEDOUT;

	return arrived && q->method && !q->url ? "; what was asked for may have been done" : "";
}

static enum err curl_fail(const struct transfer *t, CURLcode code, struct fail *fail)
{
	const char *where = t->q->url ? t->q->url : t->api->base_url;
	const char *why = *t->error ? t->error : curl_easy_strerror(code);

	if (t->sink_refused)
		return fail_set(fail, ERR_IO, "cannot write what was received");
	if (t->too_big)
		return fail_set(fail, ERR_INPUT, "the answer of %.120s is too big", where);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return fail_set(fail, ERR_TIMEOUT, "%.90s does not answer in time (%.60s)%s", where,
				why, doubt(t->q, code));
	if (code == CURLE_URL_MALFORMAT)
		return fail_set(fail, ERR_INPUT, "%.150s is no URL that can be used", where);
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		return fail_set(fail, ERR_CRYPTO, "%.100s cannot be trusted: %.120s", where, why);
	if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL)
		return fail_set(fail, ERR_INPUT, "%.120s does not speak HTTP", where);
	return fail_set(fail, ERR_NETWORK, "%.90s: %.90s%s", where, why, doubt(t->q, code));
}

static void transfer_release(struct transfer *t)
{
	curl_slist_free_all(t->headers);
	curl_easy_reset(t->api->easy); /* forgets the pointers, keeps the connection */
}

static enum err attempt(struct api *a, const struct api_request *q, const char *url,
			const char *idempotency_key, struct api_answer *ret, bool *ret_lost,
			struct fail *fail)
{
	AUTO(transfer_release) struct transfer t = { .api = a, .q = q, .answer = ret };
	CURLcode code;

	buf_reset(&ret->body);
	curl_easy_reset(a->easy);
	set_bounds(&t);
	set_request(&t, url);
	set_headers(&t, idempotency_key);
	code = curl_easy_perform(a->easy);
	*ret_lost = is_lost(q, code) && !t.sink_refused;
	if (code)
		return curl_fail(&t, code, fail);
	read_meta(&t);
	return OK;
}

/* ---- again ---- */

static void sleep_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR) {
	}
}

static bool keeps_idempotency_keys(struct api *a)
{
	static const struct api_request q = { .path = "/api/v1/info", .anonymous = true };
	AUTO(doc_freep) struct doc *info = NULL;

	return api_json(a, &q, &info, NULL) == OK && doc_bool(info, "idempotency_keys");
}

/* Does nothing happen twice when the request is sent once more? */
static bool may_repeat(struct api *a, const struct api_request *q)
{
	struct slice method = slice_str(q->method ? q->method : "GET");

	if (q->sink || q->url)
		return false;
	if (q->creates)
		return keeps_idempotency_keys(a);
	return slice_eq(method, S("GET")) || slice_eq(method, S("PUT"));
}

static const char *url_of(struct api *a, const struct api_request *q, struct buf *b)
{
	if (q->url)
		return q->url;
	buf_addf(b, "%s%s", a->base_url, q->path);
	return buf_cstr(b);
}

/* What is to be waited before the next attempt, or -1: the answer stands. */
static int64_t wait_for(const struct api_request *q, const struct api_answer *answer,
			int64_t waited_ms)
{
	int64_t ms = answer->retry_after_ms;

	if (answer->status != 429 && answer->status != 503)
		return -1;
	if (ms < WAIT_MS_MIN)
		ms = waited_ms > WAIT_MS_MIN ? waited_ms
					     : WAIT_MS_MIN; /* twice as long each time */
	return waited_ms + ms <= q->wait_ms ? ms : -1;
}

static void wait_as_told(struct api *a, int64_t ms, const struct api_answer *answer)
{
	if (a->options.waiting)
		a->options.waiting(a->options.arg, ms,
				   answer->status == 429 ? "too many requests"
							 : "the server is busy");
	sleep_ms(ms);
}

/* A repeated request came while the server was still at the first one. */
static bool is_under_way(const struct api_request *q, const struct api_answer *answer)
{
	return q->creates && answer->status == 409 &&
	       slice_search(buf_slice(&answer->body), S("Idempotency-Key is under way")) >= 0;
}

/* What is to be waited before the attempt is repeated, or -1: it stands. */
static int64_t repeat_in(struct api *a, const struct api_request *q,
			 const struct api_answer *answer, enum err e, bool lost, unsigned *repeats)
{
	unsigned n = *repeats;

	if (e ? !lost || n >= REPEATS_MAX || !may_repeat(a, q)
	      : n == 0 || n >= REPEATS_MAX + UNDER_WAY_MAX || !is_under_way(q, answer))
		return -1;
	++*repeats;
	return e ? REPEAT_MS << n : UNDER_WAY_MS;
}

enum err api_send(struct api *a, const struct api_request *q, struct api_answer *ret,
		  struct fail *fail)
{
	AUTO(buf_release) struct buf b = BUF_INIT(URL_MAX);
	char key[TOKEN_HEX_LEN + 1];
	const char *url = url_of(a, q, &b);
	int64_t waited_ms = 0, ms;
	unsigned repeats = 0;
	bool lost;

	*ret = (struct api_answer){ .body = BUF_INIT(q->answer_max ? q->answer_max
								   : API_ANSWER_MAX) };
	if (buf_failed(&b))
		return fail_set(fail, ERR_INPUT, "the address is too long");
	id_random_hex(ID_HEX_LEN, key);
	for (;;) {
		enum err e = attempt(a, q, url, q->creates ? key : NULL, ret, &lost, fail);

		ms = repeat_in(a, q, ret, e, lost, &repeats);
		if (ms >= 0) {
			sleep_ms(ms);
			continue;
		}
		if (e || (ms = wait_for(q, ret, waited_ms)) < 0)
			return e;
		wait_as_told(a, ms, ret);
		waited_ms += ms;
	}
}

/* ---- what an answer means ---- */

static const struct {
	int status;
	enum err code;
} meanings[] = {
	{ 401, ERR_UNAUTHORIZED }, { 403, ERR_FORBIDDEN }, { 404, ERR_NOT_FOUND },
	{ 409, ERR_CONFLICT },     { 410, ERR_NOT_FOUND }, { 412, ERR_CONFLICT },
	{ 422, ERR_CONFLICT },     { 429, ERR_RATE },      { 503, ERR_BUSY },
};

static enum err meaning(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].status == status)
			return meanings[i].code;
	return status >= 500 ? ERR_INTERNAL : ERR_INPUT;
}

/* A line of text is what the server wants to be shown; a page is somebody else's in between. */
static struct slice line_of(const struct api_answer *answer, struct arena *a)
{
	struct slice text = slice_trim(buf_slice(&answer->body));

	if (answer->is_html || slice_starts(text, S("<")))
		return S("");
	return utf8_line(a, utf8_clean(a, text), ERROR_TEXT_MAX);
}

enum err api_error(const struct api_answer *answer, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice text = line_of(answer, &a);
	enum err code = meaning(answer->status);

	if (is_success(answer->status))
		return OK;
	if (answer->status >= 300 && answer->status < 400)
		return fail_set(fail, code,
				"the server redirects (HTTP %d); set api_url to where "
				"the API is",
				answer->status);
	if (text.n == 0)
		return fail_set(fail, code, "the server answers HTTP %d", answer->status);
	if (slice_eq(text, S("404 page not found"))) /* also for a key of one agent */
		return fail_set(fail, code,
				"the server does not know this request, or the key does "
				"not reach so far (HTTP 404)");
	if (code == ERR_RATE && answer->retry_after_ms >= 0)
		return fail_set(fail, code, "%.*s (HTTP 429, try again in %lld s)",
				SLICE_ARGS(text), (long long)(answer->retry_after_ms + 999) / 1000);
	return fail_set(fail, code, "%.*s (HTTP %d)", SLICE_ARGS(text), answer->status);
}

enum err api_json(struct api *a, const struct api_request *q, struct doc **ret, struct fail *fail)
{
	AUTO(api_answer_release) struct api_answer answer = { 0 };
	enum err e = api_send(a, q, &answer, fail);

	if (e || (e = api_error(&answer, fail)))
		return e;
	if (slice_trim(buf_slice(&answer.body)).n == 0) {
		*ret = NULL;
		return OK;
	}
	if (doc_parse(buf_slice(&answer.body), ret))
		return fail_set(fail, ERR_INPUT,
				"%.120s does not answer as e2a does; is api_url right?",
				a->base_url);
	return OK;
}
