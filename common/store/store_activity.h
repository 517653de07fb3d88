/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent lately received and sent, and how it fared: for its owner's eyes. */
#ifndef E2A_STORE_STORE_ACTIVITY_H
#define E2A_STORE_STORE_ACTIVITY_H

#include "common/store/db.h"

extern const struct db_stmt store_activity_stmts[];

enum { STORE_ACTIVITY_MAX = 50 };

struct store_activity {
	struct slice id;
	struct slice direction; /* "inbound" or "outbound" */
	struct slice sender;
	struct slice recipient;
	struct slice subject;
	struct slice email_message_id;
	struct slice inbox_status; /* "unread", "read", or empty */
	struct slice *to, *cc;
	size_t to_n, cc_n;
	struct slice webhook_status; /* "pending", "delivered", "failed", or empty */
	struct slice webhook_error;
	int64_t webhook_attempts;
	int64_t created_us;
	int64_t expires_us;
};

/* The newest messages of both directions, newest first, at most STORE_ACTIVITY_MAX. */
enum err store_activity_list(struct db *db, struct slice user_id, struct slice agent_email,
			     struct arena *a, struct store_activity **ret, size_t *ret_n,
			     struct fail *fail) MUST_CHECK;

#endif
