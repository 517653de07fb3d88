/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing agents' mail to Postfix: SMTP (RFC 5321) by libcurl with the server
 * of inject_url. An injector keeps its connection open from one mail to the
 * next. It blocks and is for one thread at a time.
 */
#ifndef E2A_DELIVERD_INJECT_H
#define E2A_DELIVERD_INJECT_H

#include "common/base/mem.h"
#include "common/base/settings.h"
#include "deliverd/smtp_replies.h"

enum inject_outcome {
	INJECT_TAKEN,   /* 2xx after the data: Postfix has it, for the recipients it said 2xx to */
	INJECT_CONNECT, /* not sent, whatever the mail: no server was ready for one, or a stop */
	INJECT_LATER,   /* not sent: 4xx, or it broke off while the end of the data was not out */
	INJECT_REFUSED, /* not sent: 5xx to MAIL, DATA or the data, or an address of no use */
	INJECT_NOBODY,  /* not sent: every recipient was refused, each as its reply says */
	INJECT_UNKNOWN, /* the end of the data may have reached the server, which did not answer */
	INJECT_OUTCOMES
};

struct inject_mail {         /* borrowed */
	struct slice sender; /* envelope sender by addr_usable(), or empty for <> */
	const struct slice *rcpts;
	size_t rcpts_n;            /* at least one */
	const struct slice *parts; /* one after the other they are the mail: 7-bit, CR LF */
	size_t parts_n;
};

struct inject_answer {
	enum inject_outcome outcome;
	struct smtp_reply reply; /* that decided; code 0: none */
	char why[32];            /* "" when taken: a word, or "smtp 451"; no text of the server */
};

struct injector;

/* ERR_CONFIG for an inject_url that is not smtp:// or smtps:// with a host, and a port or none. */
enum err inject_new(const struct settings *s, struct injector **ret, struct fail *fail) MUST_CHECK;
/*
 * ret_rcpts: a reply for each recipient, whatever the outcome; code 0: none
 * came. A mail that did not go out may have some for good (5xx). A connection
 * that ended while it was idle is replaced by a new one within the call.
 */
void inject_send(struct injector *in, const struct inject_mail *mail, struct smtp_reply *ret_rcpts,
		 struct inject_answer *ret);
/* The queue id in Postfix's answer to a mail it took; empty when there is none. */
struct slice inject_queue_id(const struct inject_answer *a);
/* Says goodbye to a server that is not needed for a while; the next mail connects again. */
void inject_rest(struct injector *in);
/*
 * From any thread, for good: nothing more is sent; what is under way ends
 * within a second, or in ten when the mail is out and its answer is awaited.
 */
void inject_stop(struct injector *in);
/* How long one call may take. */
int64_t inject_max_ms(const struct injector *in);
void inject_free(struct injector *in);
DEFINE_FREEP(struct injector, inject_free)

/* A word for logs. */
const char *inject_outcome_name(enum inject_outcome outcome);

#endif
