/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SMTP transaction at a time on a connection that stays open. It must
 * never call a mail unsent that the server may have: from the moment libcurl
 * may have written the end of the data, only a reply tells. libcurl keeps a
 * connection on which an answer to the data is still due, and would take that
 * answer for the next mail's: so whatever went wrong ends the connection.
 */
#include "deliverd/inject.h"

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/mail/addr.h"
#include "deliverd/smtp_curl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	IDLE_MS_MAX = 60000,  /* Postfix hangs up after smtpd_timeout, 300 s */
	AGE_MS_MAX = 300000,  /* an old smtpd(8) does not know a new configuration */
	MAILS_MAX = 100,      /* on one connection */
	STOP_GRACE_MS = 9000, /* beside the second in which libcurl notices */
	DEAD_MS = 1000,       /* a connection that is dead shows it so soon */
	CLOSING = 421,        /* RFC 5321 3.8 */
};

struct injector {
	char *url;
	int64_t timeout_ms;
	CURL *easy; /* NULL: no connection */
	int64_t opened_ms, used_ms;
	unsigned mails; /* on this connection */
	atomic_bool stopped;
};

struct transaction {
	struct smtp_upload upload;
	struct smtp_replies replies;
	bool connected; /* on a connection of its own */
	CURLcode code;
};

/* ---- what libcurl says on the way ---- */

static size_t on_reply(char *p, size_t size, size_t n, void *arg)
{
	struct transaction *t = arg;

	smtp_replies_feed(&t->replies, slice_of(p, size * n));
	return size * n;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transaction *t = arg;

	(void)purpose;
	t->connected = true;
	smtp_replies_connect(&t->replies);
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* ---- what became of it ---- */

static bool is_end_out(const struct transaction *t)
{
	/* behind the last byte only a write that failed says that the end did not leave */
	return t->upload.complete && t->code != CURLE_SEND_ERROR;
}

static enum inject_outcome by_code(int code)
{
	return code / 100 == 5 ? INJECT_REFUSED : INJECT_LATER;
}

static enum inject_outcome by_end(const struct transaction *t, int code)
{
	if (code / 100 == 4 || code / 100 == 5)
		return by_code(code);
	if (code / 100 == 2 && is_end_out(t))
		return INJECT_TAKEN;
	return code || is_end_out(t) ? INJECT_UNKNOWN : INJECT_LATER;
}

static enum inject_outcome judge(const struct transaction *t)
{
	const struct smtp_replies *r = &t->replies;
	bool open = r->step != SMTP_OVER; /* its answer did not come */
	enum smtp_step at = open ? r->step : r->last;

	if (at == SMTP_END)
		return by_end(t, open ? 0 : r->reply.code);
	if (is_end_out(t)) /* libcurl saw other replies than we did */
		return INJECT_UNKNOWN;
	if (at <= SMTP_HELO || t->code == CURLE_ABORTED_BY_CALLBACK)
		return INJECT_CONNECT;
	if (open)
		return INJECT_LATER;
	return at == SMTP_RCPT ? INJECT_NOBODY : by_code(r->reply.code);
}

static void answer(const struct transaction *t, struct inject_answer *ret)
{
	const struct smtp_replies *r = &t->replies;

	*ret = (struct inject_answer){ .outcome = judge(t) };
	if (r->step == SMTP_OVER)
		ret->reply = r->reply;
	if (ret->outcome == INJECT_TAKEN)
		return;
	if (ret->reply.code)
		snprintf(ret->why, sizeof(ret->why), "smtp %d", ret->reply.code);
	else
		snprintf(ret->why, sizeof(ret->why), "%s", smtp_curl_reason(t->code));
}

struct slice inject_queue_id(const struct inject_answer *a)
{
	struct slice text = slice_str(a->reply.text), mark = S("queued as ");
	ptrdiff_t at = slice_search(text, mark);
	struct slice id = S("");

	if (a->outcome == INJECT_TAKEN && at >= 0)
		id = slice_sub(text, (size_t)at + mark.n, text.n);
	return slice_only(id, "") ? id : S("");
}

/* ---- one mail ---- */

void inject_rest(struct injector *in)
{
	if (in->easy)
		smtp_curl_close(TAKE(in->easy));
}

static void make_ready(struct injector *in)
{
	int64_t now = clock_mono_ms();

	if (in->mails >= MAILS_MAX || now - in->used_ms > IDLE_MS_MAX ||
	    now - in->opened_ms > AGE_MS_MAX)
		inject_rest(in);
	if (in->easy)
		return;
	in->easy = curl_easy_init();
	if (!in->easy)
		abort();
	in->mails = 0;
	in->opened_ms = now;
}

static struct curl_slist *add_path(struct curl_slist *list, struct slice address)
{
	AUTO(mem_freep) char *path = smtp_curl_path(address);
	struct curl_slist *longer = curl_slist_append(list, path);

	if (!longer)
		abort();
	return longer;
}

static void transact(struct injector *in, const struct inject_mail *mail, struct transaction *t)
{
	AUTO(mem_freep) char *sender = smtp_curl_path(mail->sender);
	struct curl_slist *rcpts = NULL;
	CURL *e = in->easy;

	for (size_t i = 0; i < mail->rcpts_n; i++)
		rcpts = add_path(rcpts, mail->rcpts[i]);
	smtp_curl_options(e, in->url, in->timeout_ms, &t->upload);
	curl_easy_setopt(e, CURLOPT_MAIL_FROM, sender);
	curl_easy_setopt(e, CURLOPT_MAIL_RCPT, rcpts);
	curl_easy_setopt(e, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_reply);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	t->code = curl_easy_perform(e);
	curl_easy_setopt(e, CURLOPT_MAIL_RCPT, NULL);
	curl_slist_free_all(rcpts);
}

/* Did an old connection end before the server heard of this mail? */
static bool was_dead(const struct transaction *t)
{
	const struct smtp_replies *r = &t->replies;
	bool silent = r->step == SMTP_MAIL && t->code != CURLE_OPERATION_TIMEDOUT &&
		      t->code != CURLE_ABORTED_BY_CALLBACK;
	bool closing = r->step == SMTP_OVER && r->last == SMTP_MAIL && r->reply.code == CLOSING;

	return !t->connected && (silent || closing);
}

/* False: on a connection that was dead; it is gone now. */
static bool send_once(struct injector *in, const struct inject_mail *mail, struct smtp_reply *rcpts,
		      struct inject_answer *ret)
{
	struct transaction t = { .upload = { .parts = mail->parts,
					     .parts_n = mail->parts_n,
					     .stopped = &in->stopped,
					     .grace_ms = STOP_GRACE_MS } };
	bool old;

	make_ready(in);
	old = in->mails > 0;
	smtp_replies_init(&t.replies, rcpts, mail->rcpts_n);
	if (!old)
		smtp_replies_connect(&t.replies);
	transact(in, mail, &t);
	answer(&t, ret);
	in->mails++;
	in->used_ms = clock_mono_ms();
	if (t.code != CURLE_OK || ret->outcome != INJECT_TAKEN)
		inject_rest(in);
	return !old || !was_dead(&t);
}

/* The last look before addresses become commands. */
static bool is_usable(const struct inject_mail *mail)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	struct slice usable;

	if (mail->sender.n && addr_usable(mail->sender, &arena, &usable))
		return false;
	for (size_t i = 0; i < mail->rcpts_n; i++)
		if (addr_usable(mail->rcpts[i], &arena, &usable))
			return false;
	return mail->rcpts_n > 0;
}

void inject_send(struct injector *in, const struct inject_mail *mail, struct smtp_reply *ret_rcpts,
		 struct inject_answer *ret)
{
	int64_t start = clock_mono_ms();

	if (is_usable(mail)) {
		if (!send_once(in, mail, ret_rcpts, ret) && clock_mono_ms() - start < DEAD_MS)
			send_once(in, mail, ret_rcpts, ret);
		return;
	}
	for (size_t i = 0; i < mail->rcpts_n; i++)
		ret_rcpts[i] = (struct smtp_reply){ 0 };
	*ret = (struct inject_answer){ .outcome = INJECT_REFUSED, .why = "address" };
}

/* ---- life ---- */

int64_t inject_max_ms(const struct injector *in)
{
	/* a dead connection, the mail, the QUIT behind a refusal, and rounding */
	return DEAD_MS + 2 * in->timeout_ms + 1000;
}

void inject_stop(struct injector *in)
{
	atomic_store(&in->stopped, true);
}

enum err inject_new(const struct settings *s, struct injector **ret, struct fail *fail)
{
	AUTO(inject_freep) struct injector *in = NULL;
	enum err e;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return fail_set(fail, ERR_CONFIG, "libcurl cannot be initialised");
	in = mem_zalloc(sizeof(*in));
	in->timeout_ms = s->inject_timeout_ms;
	e = smtp_curl_url("inject_url", s->inject_url, s->mail_host, &in->url, fail);
	if (e == OK)
		*ret = TAKE(in);
	return e;
}

void inject_free(struct injector *in)
{
	if (!in)
		return;
	inject_rest(in);
	free(in->url);
	free(in);
	curl_global_cleanup();
}

const char *inject_outcome_name(enum inject_outcome outcome)
{
	static const char *const names[INJECT_OUTCOMES] = {
		[INJECT_TAKEN] = "taken",   [INJECT_CONNECT] = "connect",
		[INJECT_LATER] = "later",   [INJECT_REFUSED] = "refused",
		[INJECT_NOBODY] = "nobody", [INJECT_UNKNOWN] = "unknown",
	};

	return names[outcome];
}
