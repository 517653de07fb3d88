/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inject listener, where e2a-deliverd hands in mail of agents: what a mail
 * needs to be taken there, and what it looks like when it goes on.
 */
#ifndef E2A_MILTER_INJECT_H
#define E2A_MILTER_INJECT_H

#include "common/mail/verdict.h"
#include "milter/session.h"

/* The recipients that the client named, those that the MTA refused among them. */
struct inject_envelope {
	struct slice recipients[TICKET_RECIPIENTS_MAX];
	size_t n;
	bool too_many;
};

struct inject_mail {
	const struct inject_envelope *envelope;
	const struct headers *headers;
	struct mail_hash *hash; /* of the body; inject_finish() frees it */
	bool to_agents;         /* a recipient is of the e2a transport */
};

void inject_recipient(struct inject_envelope *e, struct slice address, struct arena *a);
/*
 * Takes a mail that has a good ticket: the ticket goes, and on the way to
 * agents *v is filled and its seal inserted. Refuses any other, with a line in
 * the log. Texts of *ret live in the arena of the headers.
 */
enum err inject_finish(const struct milter *m, const struct inject_mail *mail, struct verdict *v,
		       struct edits *ret) MUST_CHECK;

#endif
