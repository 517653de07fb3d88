/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mail systems report about mail that has left: status of recipients, and
 * the addresses that are suppressed because of it.
 */
#ifndef E2A_STORE_STORE_REPORT_H
#define E2A_STORE_STORE_REPORT_H

#include "common/store/db.h"

extern const struct db_stmt store_report_stmts[];

/* The injection that a report came back to. */
struct store_report_attempt {
	struct slice verp;
	struct slice message_id;
	bool world;          /* else its recipients are agents of ours */
	struct slice *rcpts; /* of its envelope */
	size_t rcpts_n;
};

/* ERR_NOT_FOUND: no injection had this envelope sender, or its message is gone. */
enum err store_report_find(struct db *db, struct slice verp, struct arena *a,
			   struct store_report_attempt *ret, struct fail *fail) MUST_CHECK;

struct store_report_rcpt {
	struct slice address; /* one of the envelope */
	const char *status;   /* "deferred", "delivered", "bounced" */
	struct slice code, detail;
	bool suppress;
};

/*
 * Moves recipients forward; what they have passed already changes nothing and is not
 * told twice. *ret_n says how many moved. That something came back shows that Postfix had
 * the mail.
 */
enum err store_report_apply(struct db *db, const struct store_report_attempt *attempt,
			    const struct store_report_rcpt *v, size_t n, size_t *ret_n,
			    struct fail *fail) MUST_CHECK;

#endif
