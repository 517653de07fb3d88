/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one mail as the ledger (message_events) tells it, for its owner's eyes and, as far
 * as that may see it, for the agent's own key: never that a human had to decide about a mail.
 */
#ifndef E2A_STORE_STORE_HISTORY_H
#define E2A_STORE_STORE_HISTORY_H

#include "common/store/db.h"

extern const struct db_stmt store_history_stmts[];

struct store_history_of {
	struct slice user_id;
	struct slice agent; /* email */
	struct slice message_id;
	bool for_agent; /* only what the agent's own key may see */
};

/* What is not there is empty, or 0, where nothing else is said. */
struct store_history_event {
	int64_t place; /* in the order of all */
	int64_t at_us;
	struct slice stage; /* "ingest", "webhook", "outbound", "hold", "recipient" */
	struct slice outcome;
	struct slice reason;
	int64_t attempt;
	int64_t status;         /* of HTTP */
	int64_t duration_ms;    /* -1: none */
	struct slice part;      /* which recipients: "agents" of this deployment, or the "world" */
	struct slice recipient; /* address */
	struct slice code;      /* RFC 3463 */
	struct slice by;        /* who asked for it, or decided */
};

/*
 * Whether the agent has such a mail, received or written; *ret_inbound says which. ERR_NOT_FOUND
 * when not, when it is not kept any more, or not for these eyes.
 */
enum err store_history_find(struct db *db, const struct store_history_of *of, bool *ret_inbound,
			    struct fail *fail) MUST_CHECK;
/* The events of a mail that was found, oldest first, behind that place (-1: all). */
enum err store_history_list(struct db *db, const struct store_history_of *of, int64_t after,
			    int64_t limit, struct arena *a, struct store_history_event **ret,
			    size_t *ret_n, bool *ret_more, struct fail *fail) MUST_CHECK;

#endif
