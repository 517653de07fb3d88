/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the mail of agents: claims jobs, makes their mails and hands them to Postfix over
 * a few connections at once. What waits stays in the database; what is in memory is
 * bounded by number and size.
 */
#ifndef E2A_DELIVERD_OUTBOUND_H
#define E2A_DELIVERD_OUTBOUND_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/mail/sender.h"
#include "common/store/db.h"
#include "deliverd/loop.h"

struct outbound_config { /* borrowed */
	struct loop *loop;
	const struct settings *settings;
	const struct keys *keys;
	const struct sender *sender;
	struct db_pool *pool;
};

struct outbound;

/* ERR_CONFIG for an inject_url or keys that cannot be used. */
enum err outbound_new(const struct outbound_config *config, struct outbound **ret,
		      struct fail *fail) MUST_CHECK;
/* Looks for due jobs now instead of at the next poll. */
void outbound_wake(struct outbound *o);
/* Takes no more jobs, and gives back those that no connection has begun. */
void outbound_drain(struct outbound *o);
/* Breaks off what is under way. */
void outbound_abort(struct outbound *o);
/* True when no job is in memory. */
bool outbound_idle(const struct outbound *o);
void outbound_free(struct outbound *o);
DEFINE_FREEP(struct outbound, outbound_free)

#endif
