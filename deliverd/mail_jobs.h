/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the mail of the deployment itself: takes jobs out of mail_jobs,
 * composes them and hands them to Postfix. A few at a time, so that a backlog
 * stays in the database.
 */
#ifndef E2A_DELIVERD_MAIL_JOBS_H
#define E2A_DELIVERD_MAIL_JOBS_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/mail/sender.h"
#include "common/store/db.h"
#include "deliverd/loop.h"

enum { MAIL_JOBS_AT_ONCE = 4 };

struct mail_jobs_config { /* borrowed */
	struct loop *loop;
	const struct settings *settings;
	const struct keys *keys;
	const struct sender *sender;
	struct db_pool *pool;
};

struct mail_jobs;

/* ERR_CONFIG for a server or sender that cannot be used. */
enum err mail_jobs_new(const struct mail_jobs_config *config, struct mail_jobs **ret,
		       struct fail *fail) MUST_CHECK;
/* Looks for due jobs now instead of at the next poll. */
void mail_jobs_wake(struct mail_jobs *m);
/* Takes no more jobs. */
void mail_jobs_drain(struct mail_jobs *m);
/* Breaks off what is under way; it is due again later. */
void mail_jobs_abort(struct mail_jobs *m);
/* True when no job is in memory. */
bool mail_jobs_idle(const struct mail_jobs *m);
void mail_jobs_free(struct mail_jobs *m);
DEFINE_FREEP(struct mail_jobs, mail_jobs_free)

#endif
