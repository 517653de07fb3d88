/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles one mail after the other. A fetch marks a mail read, so what was fetched must come
 * out: nothing is fetched once the output is gone, and what cannot be fetched now is fetched
 * later, never skipped unless the server says that it is not there.
 */
#include "cli/listener.h"

#include "cli/say.h"
#include "common/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum {
	ODD_ANSWERS_MAX = 5, /* to the fetch of one mail, before it is given up */
	BROKEN_MAX = 3       /* times that the server fails at one mail, before others go first */
};

static volatile sig_atomic_t stopped;
static const struct notices *to_wake;

static void on_signal(int signum)
{
	int saved = errno;

	(void)signum;
	stopped = 1;
	notices_wake(to_wake);
	errno = saved;
}

void listener_catch_signals(struct listener *l)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	to_wake = l->queue;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void listener_leave_signals(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

/* ---- waiting ---- */

static bool prints(const struct listener *l)
{
	return l->json || !l->forward_api;
}

/* Who reads standard output went away: the next write would fail, but that may be hours away. */
static void look_at_output(struct listener *l)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	if (prints(l) && !l->cli->out.error && poll(&p, 1, 0) > 0 && p.revents)
		l->cli->out.error = EPIPE;
}

bool listener_over(struct listener *l)
{
	look_at_output(l);
	return stopped || out_failed(&l->cli->out);
}

void listener_wait(struct listener *l, int64_t until_ms)
{
	int64_t ms = until_ms - clock_mono_ms();
	struct pollfd p[] = {
		{ .fd = notices_fd(l->queue), .events = POLLIN },
		{ .fd = prints(l) ? STDOUT_FILENO : -1 },
	};

	if (ms > 0 && !stopped)
		poll(p, ARRAY_LEN(p), ms < INT32_MAX ? (int)ms : -1);
	notices_rest(l->queue);
}

bool listener_pause(struct listener *l, int64_t ms)
{
	int64_t until_ms = clock_mono_ms() + ms;

	while (!listener_over(l) && clock_mono_ms() < until_ms)
		listener_wait(l, until_ms);
	return !listener_over(l);
}

/* ---- fetching ---- */

enum fetched { FETCHED, GONE, AGAIN, REFUSED, ODD };

static enum fetched judge(enum err e)
{
	switch (e) {
	case OK:
		return FETCHED;
	case ERR_NOT_FOUND:
		return GONE;
	case ERR_UNAUTHORIZED:
	case ERR_FORBIDDEN:
		return REFUSED;
	case ERR_INPUT:
	case ERR_CONFLICT:
	case ERR_TOO_BIG:
		return ODD;
	default:
		return AGAIN;
	}
}

/* One attempt: the message, a JSON object. */
static enum err fetch_once(struct listener *l, const char *path, struct api_answer *ret,
			   struct doc **ret_doc, struct fail *fail)
{
	const struct api_request q = { .path = path };
	enum err e;

	api_answer_release(ret);
	e = api_send(l->api, &q, ret, fail);
	if (e == OK)
		e = api_error(ret, fail);
	if (e == OK && doc_parse(buf_slice(&ret->body), ret_doc))
		e = fail_set(fail, ERR_INPUT, "the answer is no JSON");
	return e;
}

/* Said once until it works again; being told to wait is no failure. */
static void say_trouble(struct listener *l, const char *id, enum err e, const struct fail *fail)
{
	if (!l->failing && e != ERR_RATE)
		say("Cannot fetch %s: %s. Trying again.", id, fail->what);
	l->failing |= e != ERR_RATE;
}

/* A server that fails at one mail may do well with the others, which must not wait for ever. */
static bool goes_aside(struct listener *l, struct notice *n, const struct api_answer *answer,
		       unsigned *broken)
{
	bool often = answer->status == 500 && (++*broken >= BROKEN_MAX || n->aside);

	if (!often || notices_count(l->queue) == 0)
		return false;
	if (!n->aside) {
		say("Cannot fetch %s: the server fails at it. The mails behind it go first.",
		    n->id);
		backoff_reset(&l->backoff);
	}
	n->aside = true;
	return true;
}

/* *ret_doc stays NULL when the message is not there, goes aside, or it is over. */
static enum err fetch(struct listener *l, struct notice *n, struct api_answer *ret,
		      struct doc **ret_doc, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const char *path = api_path(&a, "/api/v1/agents/%s/messages/%s", l->agent, n->id);
	unsigned odd = 0, broken = 0;
	bool aside;

	while (!listener_over(l)) {
		enum err e = fetch_once(l, path, ret, ret_doc, fail);
		enum fetched how = judge(e);

		if (how == REFUSED)
			return e;
		if (how == FETCHED) {
			l->failing = n->aside = false;
			backoff_reset(&l->backoff);
			return OK;
		}
		if (how == GONE || (how == ODD && ++odd == ODD_ANSWERS_MAX)) {
			say("Skipped %s: %s", n->id, fail->what);
			n->aside = false;
			return OK;
		}
		aside = goes_aside(l, n, ret, &broken);
		if (!aside)
			say_trouble(l, n->id, e, fail);
		if (!listener_pause(l, backoff_next(&l->backoff, ret->retry_after_ms)) || aside)
			break;
	}
	return OK;
}

/* ---- one mail ---- */

static void print_line(struct listener *l, const struct notice *n)
{
	struct out *o = &l->cli->out;
	char text[64] = "";
	int64_t t_us;
	struct tm tm;
	time_t t;

	out_str(o, "[");
	if (clock_parse_rfc3339(slice_str(n->time), &t_us) == OK) {
		t = (time_t)(t_us / 1000000);
		if (localtime_r(&t, &tm))
			strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		out_str(o, text);
	} else {
		out_line(o, slice_str(n->time));
	}
	out_str(o, "] From: ");
	out_line(o, slice_str(n->from));
	out_str(o, " | Subject: ");
	out_line(o, slice_str(n->subject));
	out_str(o, "\n");
}

/* A failure of the output is the end, which main tells. */
static enum err flush(struct listener *l)
{
	struct fail fail;

	if (out_flush(&l->cli->out, &fail))
		return ERR_IO;
	return OK;
}

enum err listener_handle(struct listener *l, struct notice *n, struct fail *fail)
{
	AUTO(api_answer_release) struct api_answer answer = { 0 };
	AUTO(doc_freep) struct doc *message = NULL;
	enum err e;

	if (!l->json && !l->forward_api) {
		print_line(l, n);
		return OK;
	}
	e = fetch(l, n, &answer, &message, fail);
	if (e || !message)
		return e;
	if (l->json)
		out_doc(&l->cli->out, message, DOC_PLAIN);
	if (l->json && flush(l))
		return OK; /* listener_over() is true now */
	if (l->forward_api)
		listener_forward(l, n, message, buf_slice(&answer.body));
	return OK;
}
