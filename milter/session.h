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

/* What all sessions share; nothing of it changes while they run. */
struct milter {
	struct settings settings;
	struct keys keys;
	struct dns *dns;
	struct psl *psl;
	struct spf_pool *pool;
};

struct session;

struct edits {
	struct header_removal *remove; /* to be done in this order */
	size_t remove_n;
	const char *authres; /* value of the Authentication-Results, or NULL: insert nothing */
	const char *verdict; /* value of VERDICT_HEADER; goes above it */
};

/* `client_ip` is "" when the MTA does not know it. */
struct session *session_new(const struct milter *m, struct slice client_ip);
void session_free(struct session *s);
void session_helo(struct session *s, struct slice name);

/* A new message; ends the one before. The address may stand in angle brackets. */
void session_mail(struct session *s, struct slice address);
/* `mailer` is {rcpt_mailer}, or empty. */
void session_rcpt(struct session *s, struct slice mailer);
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
