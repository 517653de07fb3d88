/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP by libcurl. What became of a mail is told by reply codes alone, never
 * by texts. libcurl may wait for an answer to QUIT wherever it closes a
 * connection, so this must never run on the loop's own thread.
 */
#include "deliverd/submission.h"

#include "deliverd/smtp_curl.h"

#include <stdlib.h>

struct submission {
	char *url;
	int64_t timeout_ms;
	atomic_bool stopped;
};

/* ---- one mail ---- */

/*
 * Is a 5xx about this mail? libcurl gives CURLE_SEND_ERROR for a refused MAIL, RCPT or DATA.
 * A server that serves nobody now says so at its greeting or at EHLO (RFC 5321 3.1).
 */
static bool is_final(long status, CURLcode code, const struct smtp_upload *u)
{
	return status >= 500 && status <= 599 && (u->begun || code == CURLE_SEND_ERROR);
}

static void read_answer(CURL *e, CURLcode code, const struct smtp_upload *u,
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
		snprintf(ret->why, sizeof(ret->why), "%s", smtp_curl_reason(code));
}

void submission_send(struct submission *s, struct slice from, struct slice to, struct slice mail,
		     struct submission_answer *ret)
{
	struct smtp_upload upload = { .parts = &mail, .parts_n = 1, .stopped = &s->stopped };
	AUTO(mem_freep) char *sender = smtp_curl_path(from);
	AUTO(mem_freep) char *recipient = smtp_curl_path(to);
	struct curl_slist *recipients = curl_slist_append(NULL, recipient);
	CURL *e = curl_easy_init();

	if (!e || !recipients)
		abort();
	smtp_curl_options(e, s->url, s->timeout_ms, &upload);
	curl_easy_setopt(e, CURLOPT_MAIL_FROM, sender);
	curl_easy_setopt(e, CURLOPT_MAIL_RCPT, recipients);
	read_answer(e, curl_easy_perform(e), &upload, ret);
	smtp_curl_close(e);
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
	e = smtp_curl_url("submission_url", s->submission_url, s->mail_host, &sub->url, fail);
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
