/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SMTP connection and its present message, apart from libmilter: what the
 * callbacks hand over goes in, the edits to make come out.
 */
#ifndef E2A_MILTER_SESSION_H
#define E2A_MILTER_SESSION_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/mail/dns.h"
#include "milter/headers.h"
#include "milter/orgdomain.h"
#include "milter/spf_pool.h"
#include "milter/ticket_memory.h"

/* What all sessions share; nothing but the memory of tickets changes while they run. */
struct metrics_http;

struct milter {
	struct settings settings;
	struct keys keys;
	struct dns *dns;
	struct psl *psl;
	struct spf_pool *pool;
	struct ticket_memory *tickets;
	struct metrics_http *metrics; /* NULL when they are off */
};

struct session;

enum answer { ANSWER_TAKE, ANSWER_REFUSE, ANSWER_LATER };

/* NULL for a value: no such field is inserted. */
struct edits {
	enum answer answer;            /* the rest counts only when the mail is taken */
	struct header_removal *remove; /* to be done in this order */
	size_t remove_n;
	const char *authres; /* value of the Authentication-Results */
	const char *verdict; /* value of VERDICT_HEADER; goes above it */
};

/* `client_ip` is "" when the MTA does not know it. `daemon` is {daemon_name}, or empty. */
struct session *session_new(const struct milter *m, struct slice client_ip, struct slice daemon);
void session_free(struct session *s);
void session_helo(struct session *s, struct slice name);

/* A new message; ends the one before. Addresses may stand in angle brackets. */
void session_mail(struct session *s, struct slice address);
/* `mailer` is {rcpt_mailer}, or empty; "error" for a recipient that the MTA refused. */
void session_rcpt(struct session *s, struct slice address, struct slice mailer);
/* False when no recipient so far makes the message ours. */
bool session_is_ours(const struct session *s);
enum err session_field(struct session *s, struct slice name, struct slice value) MUST_CHECK;
enum err session_eoh(struct session *s) MUST_CHECK;
enum err session_body(struct session *s, struct slice chunk) MUST_CHECK;
/* Judges; takes at most the budget. What *ret points to lives until session_reset(). */
enum err session_finish(struct session *s, struct slice queue_id, struct edits *ret) MUST_CHECK;
/* Forgets the message. */
void session_reset(struct session *s);

#endif
