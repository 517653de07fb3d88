/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's SMTP with its pitfalls (7.88). It must never be told the size of a
 * mail: it compares it with the bytes on the wire, dot-stuffing included, and
 * takes a mail whose dots make up for the rest of it as sent.
 */
#include "deliverd/smtp_curl.h"

#include "common/base/buf.h"
#include "common/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECT_MS_MAX = 30000, PATH_MAX_BYTES = 1024 };

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

enum err smtp_curl_url(const char *key, const char *url, const char *name, char **ret,
		       struct fail *fail)
{
	AUTO(url_freep) CURLU *u = curl_url();
	AUTO(part_freep) char *whole = NULL;

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, url, 0) || !names_a_server(u) ||
	    curl_url_set(u, CURLUPART_PATH, name, 0) || curl_url_get(u, CURLUPART_URL, &whole, 0))
		return fail_set(fail, ERR_CONFIG,
				"%s: not smtp://host:port or smtps://host:port: %.100s", key, url);
	*ret = mem_strdup(whole);
	return OK;
}

/* ---- the mail ---- */

/* As much as fits of all parts together, so that a short one makes no packet of its own. */
static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
	struct smtp_upload *u = arg;
	size_t len = 0;

	u->begun = true;
	while (u->parts_n && len < size * n) {
		struct slice piece = slice_sub(*u->parts, u->at, u->at + size * n - len);

		if (piece.n)
			memcpy(p + len, piece.p, piece.n);
		len += piece.n;
		u->at += piece.n;
		if (u->at == u->parts->n) {
			u->at = 0;
			u->parts++;
			u->parts_n--;
		}
	}
	/* libcurl asks again when it has sent what it got, or nearly all of it */
	u->complete = len == 0;
	return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct smtp_upload *u = arg;

	(void)a, (void)b, (void)c, (void)d;
	if (!atomic_load(u->stopped))
		return 0;
	if (!u->complete)
		return 1;
	if (!u->stop_ms)
		u->stop_ms = clock_mono_ms();
	return clock_mono_ms() - u->stop_ms >= u->grace_ms;
}

char *smtp_curl_path(struct slice address)
{
	struct buf b = BUF_INIT(PATH_MAX_BYTES);

	buf_add_char(&b, '<');
	buf_add_slice(&b, address);
	buf_add_char(&b, '>');
	return buf_take(&b);
}

void smtp_curl_options(CURL *e, const char *url, int64_t timeout_ms, struct smtp_upload *u)
{
	int64_t connect_ms = timeout_ms < CONNECT_MS_MAX ? timeout_ms : CONNECT_MS_MAX;

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	/* libcurl knows no other limit for the QUIT behind a refusal */
	curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)((timeout_ms + 999) / 1000));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(e, CURLOPT_READDATA, u);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, u);
}

/* ---- the end ---- */

static const struct {
	CURLcode code;
	const char *why;
} reasons[] = {
	{ CURLE_OPERATION_TIMEDOUT, "timeout" },   { CURLE_COULDNT_CONNECT, "connect" },
	{ CURLE_COULDNT_RESOLVE_HOST, "dns" },     { CURLE_SSL_CONNECT_ERROR, "tls" },
	{ CURLE_PEER_FAILED_VERIFICATION, "tls" }, { CURLE_SSL_CACERT_BADFILE, "tls" },
	{ CURLE_ABORTED_BY_CALLBACK, "stopped" },
};

const char *smtp_curl_reason(CURLcode code)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].code == code)
			return reasons[i].why;
	return "broken";
}

void smtp_curl_close(CURL *e)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (curl_easy_getinfo(e, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
		shutdown(fd, SHUT_RD);
	curl_easy_cleanup(e);
}
