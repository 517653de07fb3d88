/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP by libcurl. What became of a mail is told by reply codes alone, never
 * by texts. libcurl may wait for an answer to QUIT wherever it closes a
 * connection, so this must never run on the loop's own thread.
 */
#include "deliverd/submission.h"

#include "common/base/buf.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CONNECT_MS_MAX = 30000, URL_MAX = 1024 };

struct submission {
	char *url;
	int64_t timeout_ms;
	atomic_bool stopped;
};

/* ---- where to ---- */

static void url_freep(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void part_freep(char **p)
{
	curl_free(*p);
}

static bool has_part(CURLU *u, CURLUPart part)
{
	AUTO(part_freep) char *text = NULL;

	return curl_url_get(u, part, &text, 0) == CURLUE_OK;
}

static bool part_is(CURLU *u, CURLUPart part, const char *want)
{
	AUTO(part_freep) char *text = NULL;

	return curl_url_get(u, part, &text, 0) == CURLUE_OK &&
	       slice_eq(slice_str(text), slice_str(want));
}

static bool names_a_server(CURLU *u)
{
	return (part_is(u, CURLUPART_SCHEME, "smtp") || part_is(u, CURLUPART_SCHEME, "smtps")) &&
	       has_part(u, CURLUPART_HOST) && part_is(u, CURLUPART_PATH, "/") &&
	       !has_part(u, CURLUPART_USER) && !has_part(u, CURLUPART_PASSWORD) &&
	       !has_part(u, CURLUPART_QUERY) && !has_part(u, CURLUPART_FRAGMENT);
}

/* The path of such a URL is the name to say EHLO with. */
static enum err make_url(const struct settings *s, char **ret, struct fail *fail)
{
	AUTO(url_freep) CURLU *u = curl_url();
	AUTO(part_freep) char *url = NULL;

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, s->submission_url, 0) || !names_a_server(u) ||
	    curl_url_set(u, CURLUPART_PATH, s->mail_host, 0) ||
	    curl_url_get(u, CURLUPART_URL, &url, 0))
		return fail_set(fail, ERR_CONFIG,
				"submission_url: not smtp://host:port or smtps://host:port: %.100s",
				s->submission_url);
	*ret = mem_strdup(url);
	return OK;
}

/* ---- one mail ---- */

struct upload {
	struct submission *owner;
	struct slice rest;
	bool begun; /* the server asked for the mail */
};

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
	struct upload *u = arg;
	size_t len = size * n < u->rest.n ? size * n : u->rest.n;

	u->begun = true;
	if (len)
		memcpy(p, u->rest.p, len);
	u->rest = slice_sub(u->rest, len, u->rest.n);
	return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct upload *u = arg;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&u->owner->stopped);
}

static char *in_brackets(struct slice address)
{
	struct buf b = BUF_INIT(URL_MAX);

	buf_add_char(&b, '<');
	buf_add_slice(&b, address);
	buf_add_char(&b, '>');
	return buf_take(&b);
}

static void set_options(CURL *e, struct upload *u)
{
	const struct submission *s = u->owner;
	int64_t connect_ms = s->timeout_ms < CONNECT_MS_MAX ? s->timeout_ms : CONNECT_MS_MAX;

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_URL, s->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms);
	/* libcurl knows no other limit for the QUIT behind a refusal */
	curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)((s->timeout_ms + 999) / 1000));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(e, CURLOPT_READDATA, u);
	curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)u->rest.n);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, u);
}

/* What a transfer that ended without a reply that decides is called; anything else broke off. */
static const struct {
	CURLcode code;
	const char *why;
} reasons[] = {
	{ CURLE_OPERATION_TIMEDOUT, "timeout" },   { CURLE_COULDNT_CONNECT, "connect" },
	{ CURLE_COULDNT_RESOLVE_HOST, "dns" },     { CURLE_SSL_CONNECT_ERROR, "tls" },
	{ CURLE_PEER_FAILED_VERIFICATION, "tls" }, { CURLE_SSL_CACERT_BADFILE, "tls" },
	{ CURLE_ABORTED_BY_CALLBACK, "stopped" },
};

static const char *reason_of(CURLcode code)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].code == code)
			return reasons[i].why;
	return "broken";
}

/*
 * Is a 5xx about this mail? libcurl gives CURLE_SEND_ERROR for a refused MAIL, RCPT or DATA.
 * A server that serves nobody now says so at its greeting or at EHLO (RFC 5321 3.1).
 */
static bool is_final(long status, CURLcode code, const struct upload *u)
{
	return status >= 500 && status <= 599 && (u->begun || code == CURLE_SEND_ERROR);
}

static void read_answer(CURL *e, CURLcode code, const struct upload *u,
			struct submission_answer *ret)
{
	long status = 0;

	*ret = (struct submission_answer){ .outcome = SUBMISSION_LATER };
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	ret->status = status;
	if (code == CURLE_OK) {
		ret->outcome = SUBMISSION_TAKEN;
		return;
	}
	if (is_final(status, code, u))
		ret->outcome = SUBMISSION_REFUSED;
	if (status >= 400 && status <= 599)
		snprintf(ret->why, sizeof(ret->why), "smtp %ld", status);
	else
		snprintf(ret->why, sizeof(ret->why), "%s", reason_of(code));
}

/* QUIT is still said, but a server that does not answer it is not waited for. */
static void listen_no_more(CURL *e)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (curl_easy_getinfo(e, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
		shutdown(fd, SHUT_RD);
}

void submission_send(struct submission *s, struct slice from, struct slice to, struct slice mail,
		     struct submission_answer *ret)
{
	struct upload upload = { s, mail, false };
	AUTO(mem_freep) char *sender = in_brackets(from);
	AUTO(mem_freep) char *recipient = in_brackets(to);
	struct curl_slist *recipients = curl_slist_append(NULL, recipient);
	CURL *e = curl_easy_init();

	if (!e || !recipients)
		abort();
	set_options(e, &upload);
	curl_easy_setopt(e, CURLOPT_MAIL_FROM, sender);
	curl_easy_setopt(e, CURLOPT_MAIL_RCPT, recipients);
	read_answer(e, curl_easy_perform(e), &upload, ret);
	listen_no_more(e);
	curl_easy_cleanup(e);
	curl_slist_free_all(recipients);
}

/* ---- life ---- */

int64_t submission_max_ms(const struct submission *s)
{
	return 2 * s->timeout_ms;
}

void submission_stop(struct submission *s)
{
	atomic_store(&s->stopped, true);
}

enum err submission_new(const struct settings *s, struct submission **ret, struct fail *fail)
{
	AUTO(submission_freep) struct submission *sub = NULL;
	enum err e;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return fail_set(fail, ERR_CONFIG, "libcurl cannot be initialised");
	sub = mem_zalloc(sizeof(*sub));
	sub->timeout_ms = s->submission_timeout_ms;
	e = make_url(s, &sub->url, fail);
	if (e == OK)
		*ret = TAKE(sub);
	return e;
}

void submission_free(struct submission *s)
{
	if (!s)
		return;
	free(s->url);
	free(s);
	curl_global_cleanup();
}
