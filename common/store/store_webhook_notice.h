/* SPDX-License-Identifier: Apache-2.0 */
/* Owners who have to be told that webhooks of theirs fail. */
#ifndef E2A_STORE_STORE_WEBHOOK_NOTICE_H
#define E2A_STORE_STORE_WEBHOOK_NOTICE_H

#include "common/store/db.h"

extern const struct db_stmt store_webhook_notice_stmts[];

enum {
	STORE_WEBHOOK_NOTICE_MAX = 50,         /* webhooks that an owner is told of at once */
	STORE_WEBHOOK_NOTICE_COUNT_MAX = 1000, /* mails that are counted; more: one more */
};

struct store_webhook_trouble {
	struct slice agent;
	struct slice trouble; /* "failing", "failed": and mail was given up, "disabled" */
	struct slice reason;  /* why it is disabled: "http_gone", "operator" */
	int64_t since_us;
	int64_t failures;    /* in a row */
	int64_t last_status; /* HTTP; 0: no answer */
	struct slice last_error;
	int64_t pending, failed; /* mails */
};

struct store_webhook_notice {
	struct slice user_id, address; /* of the owner */
	struct store_webhook_trouble *v;
	size_t n;
};

/*
 * In a transaction of the caller's, in which the mail is stored too: the next owner, who counts
 * as told from now on. Webhooks have to fail for after_ms, nobody is told of one more often, nor
 * of any within gap_ms. All is in the arena. ERR_NOT_FOUND when there is none.
 */
enum err store_webhook_notice_take(struct db *db, int64_t after_ms, int64_t gap_ms, struct arena *a,
				   struct store_webhook_notice *ret, struct fail *fail) MUST_CHECK;

#endif
