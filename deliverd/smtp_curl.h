/* SPDX-License-Identifier: Apache-2.0 */
/* What everybody does who hands mail to a server by libcurl's SMTP. */
#ifndef E2A_DELIVERD_SMTP_CURL_H
#define E2A_DELIVERD_SMTP_CURL_H

#include "common/base/mem.h"
#include "common/base/slice.h"

#include <curl/curl.h>
#include <stdatomic.h>

/* One mail on its way. */
struct smtp_upload {
	const struct slice *parts; /* what is not sent yet, the first of it from `at` on */
	size_t parts_n, at;
	bool begun;    /* the server asked for the mail */
	bool complete; /* all was given to libcurl: the end of the data may be out */
	const atomic_bool *stopped;
	int64_t grace_ms; /* a complete mail's answer is waited for so long after a stop */
	int64_t stop_ms;  /* private: when the stop was seen */
};

/*
 * libcurl's URL of the server of `url`, the value of the setting `key`: its
 * path is the name for EHLO. ERR_CONFIG unless it is smtp:// or smtps:// with
 * a host, and a port or none.
 */
enum err smtp_curl_url(const char *key, const char *url, const char *name, char **ret,
		       struct fail *fail) MUST_CHECK;
/* Everything but envelope and callbacks for replies and sockets. `timeout_ms` is for all of it. */
void smtp_curl_options(CURL *e, const char *url, int64_t timeout_ms, struct smtp_upload *u);
/* "<address>" */
char *smtp_curl_path(struct slice address);
/* What a transfer that ended without a reply that decides is called; "broken" for most. */
const char *smtp_curl_reason(CURLcode code);
/* curl_easy_cleanup() that says QUIT and does not wait for the answer. */
void smtp_curl_close(CURL *e);

#endif
