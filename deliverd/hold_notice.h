/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a reviewer about held mail: what the mail job says is made when it is sent, so that
 * nobody is asked in vain, and its tokens are nowhere but in that mail.
 */
#ifndef E2A_DELIVERD_HOLD_NOTICE_H
#define E2A_DELIVERD_HOLD_NOTICE_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/store/store_mail.h"

#define HOLD_NOTICE_LOCAL "hitl-noreply" /* local part of the sender */

struct hold_notice_config { /* borrowed */
	const struct settings *settings;
	const struct keys *keys;
	struct slice sender; /* address; empty: there is no domain for it */
};

enum hold_notice_state {
	HOLD_NOTICE_READY,
	HOLD_NOTICE_NEEDLESS, /* to be ended without a word */
	HOLD_NOTICE_FAILED,   /* for good: no setting allows it */
};

struct hold_notice {
	enum hold_notice_state state;
	const char *why; /* a word, when it failed */
	struct slice subject, text, html, reply_to;
};

/*
 * Makes the notice, or the reminder, of a leased job: one transaction with its tokens and, the
 * first time, the job that will remind. Made again it is the same mail, as long as the reviewer
 * does not choose otherwise. The texts live in the arena.
 */
enum err hold_notice_make(const struct hold_notice_config *c, struct db *db,
			  const struct store_mail_job *job, struct slice lease_id, struct arena *a,
			  struct hold_notice *ret, struct fail *fail) MUST_CHECK;
/* How long before the end of a hold the reminder is due; 0: there is none. */
int64_t hold_notice_before_ms(int64_t left_ms, int64_t wanted_ms);

#endif
