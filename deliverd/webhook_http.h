/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP calls by libcurl's multi interface on the loop. One call, one answer:
 * no redirect, no proxy, no credentials, TLS verified, and the socket is opened
 * only to an address that the policy admits.
 */
#ifndef E2A_DELIVERD_WEBHOOK_HTTP_H
#define E2A_DELIVERD_WEBHOOK_HTTP_H

#include "deliverd/loop.h"
#include "deliverd/webhook_target.h"

enum {
	HTTP_ANSWER_MAX = 64 * 1024, /* bytes that are read of an answer's body */
	HTTP_ANSWER_KEPT = 2 * 1024, /* ... and kept when it is that of a failure */
};

struct http_answer {
	enum event_reason reason; /* EVENT_NO_REASON for a 2xx */
	int64_t status;           /* 0 when there was none */
	int64_t retry_after_ms;   /* 0 when not asked for */
	struct slice text; /* what a failure's body begins with, as it came; until done() returns */
};

struct http_call { /* all borrowed until done() */
	const char *url;
	const struct webhook_target *target;
	char *const *headers;
	size_t headers_n;
	struct slice body;
	int64_t deadline_ms; /* clock_mono_ms, for all of it */
	void (*done)(const struct http_answer *answer, void *arg);
	void *arg;
};

struct webhook_http;

/* `policy` is borrowed. */
enum err webhook_http_new(struct loop *loop, const struct settings *s,
			  const struct webhook_policy *policy, struct webhook_http **ret,
			  struct fail *fail) MUST_CHECK;
/* POST. done() comes exactly once, later. */
void webhook_http_post(struct webhook_http *h, const struct http_call *call);
/* Calls under way are answered EVENT_BROKEN. */
void webhook_http_abort(struct webhook_http *h);
void webhook_http_free(struct webhook_http *h);
DEFINE_FREEP(struct webhook_http, webhook_http_free)

#endif
