/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An account at one look: its agents with their counts, its mail over time, and what it did for
 * the first time. Whatever there is, few rows of each kind are counted.
 */
#ifndef E2A_STORE_STORE_OVERVIEW_H
#define E2A_STORE_STORE_OVERVIEW_H

#include "common/store/db.h"

extern const struct db_stmt store_overview_stmts[];

enum {
	/* Counts that stop there are one more. */
	STORE_OVERVIEW_UNREAD_MAX = 200,  /* of an agent */
	STORE_OVERVIEW_JOBS_MAX = 100,    /* of an agent and a state */
	STORE_OVERVIEW_HOLDS_MAX = 1000,  /* of an account */
	STORE_OVERVIEW_MAIL_MAX = 200000, /* of an account, for the picture */
	STORE_OVERVIEW_HOURS = 48,
	STORE_OVERVIEW_DAYS = 30,
};

struct store_overview_agent {
	struct slice email, name, agent_mode; /* of the name 200 characters */
	bool hitl_enabled;
	int64_t created_us;
	int64_t unread;
	int64_t received_us, sent_us; /* the last one; 0: none */
	int64_t held;
	struct slice webhook_state; /* as in store_endpoint.h */
	int64_t failing_us;
	struct slice last_error;
	int64_t webhook_pending, webhook_failed;
	int64_t sockets, streams, polls; /* open now, at any e2a-apid */
	int64_t listened_us;             /* when somebody did last; 0: never */
};

struct store_overview_page {
	struct slice user_id;
	int64_t before_us; /* 0: from the newest agent on; with before_email */
	struct slice before_email;
	int64_t limit;
};

struct store_overview_agents {
	struct store_overview_agent *v;
	size_t n;
	bool more;
	int64_t total; /* agents of the account */
	int64_t held;  /* mail of the account that waits */
};

enum err store_overview_agents(struct db *db, const struct store_overview_page *page,
			       struct arena *a, struct store_overview_agents *ret,
			       struct fail *fail) MUST_CHECK;

struct store_traffic {
	int64_t at_us; /* when the hour or the day (UTC) begins */
	int64_t received, sent;
	int64_t undelivered; /* recipients of mail that failed or came back */
};

struct store_overview_traffic {
	struct store_traffic hours[STORE_OVERVIEW_HOURS], days[STORE_OVERVIEW_DAYS];
	int64_t since_us; /* before that there was too much to count; 0: all was counted */
};

/* Of mail that is still stored. The last bucket is the one that has begun. */
enum err store_overview_traffic(struct db *db, struct slice user_id,
				struct store_overview_traffic *ret, struct fail *fail) MUST_CHECK;

/* 0: not yet */
struct store_first_steps {
	int64_t agent_us;     /* of the oldest agent that there is */
	int64_t received_us;  /* an agent got mail */
	int64_t delivered_us; /* a webhook took one */
	int64_t listened_us;  /* a client of an agent listened */
	int64_t replied_us;   /* Postfix took an answer of an agent */
};

enum err store_overview_steps(struct db *db, struct slice user_id, struct store_first_steps *ret,
			      struct fail *fail) MUST_CHECK;

#endif
