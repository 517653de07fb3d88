/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each figure is a walk along one index, with an end. The conditions on messages name the agent
 * and not its user: with both the planner might walk through all mail of the account.
 */
#include "common/store/store_overview.h"

#include "common/store/store_endpoint_sql.h"

enum { AGENTS, HELD, TRAFFIC, STEPS };

#define END_OF_TIME_US 253402300799000000LL /* of the year 9999 */
#define HOUR_US 3600000000LL
#define DAY_US (24 * HOUR_US)

#define UNREAD                                                                                     \
	"(SELECT count(*) FROM (SELECT FROM messages m WHERE m.agent_email = a.email "             \
	"AND m.inbox_status = 'unread' AND m.expires_at > now() "                                  \
	"ORDER BY m.created_at LIMIT $2::bigint) t)"
#define LAST_IN                                                                                    \
	"(SELECT m.created_at FROM messages m WHERE m.agent_email = a.email "                      \
	"AND m.direction = 'inbound' ORDER BY m.created_at DESC LIMIT 1)"
#define LAST_OUT                                                                                   \
	"(SELECT m.created_at FROM messages m WHERE m.agent_email = a.email "                      \
	"AND m.direction = 'outbound' AND m.status IN ('sent', 'expired_approved') "               \
	"ORDER BY m.created_at DESC LIMIT 1)"
#define JOBS ENDPOINT_COUNT("pending", "$3") ", " ENDPOINT_COUNT("failed", "$3")
/* An e2a-apid says every 10 seconds that it is there. */
#define LISTENERS                                                                                  \
	"(SELECT sum(l.sockets) FILTER (WHERE i.there) AS sockets, "                               \
	"sum(l.streams) FILTER (WHERE i.there) AS streams, "                                       \
	"sum(l.polls) FILTER (WHERE i.there) AS polls, bool_or(i.there) AS any, "                  \
	"max(i.seen_at) AS gone_at FROM listeners l JOIN (SELECT p.id, p.seen_at, "                \
	"p.seen_at > now() - interval '35 s' AS there FROM apid_instances p) i "                   \
	"ON i.id = l.instance WHERE l.agent_email = a.email)"

/* Rows by hour, newest first, $2 at most: of which kind, how many, and how many of them left. */
#define PER_HOUR "date_bin('1 hour', t.at, 'epoch'::timestamptz), count(*)"
#define IN_WINDOW(at)                                                                              \
	at " >= date_trunc('day', now(), 'UTC') - interval '29 days' ORDER BY " at                 \
	   " DESC LIMIT $2::bigint) t GROUP BY 2"
#define ALL_MAIL                                                                                   \
	"SELECT 1, " PER_HOUR ", 0::bigint FROM (SELECT m.created_at AS at FROM messages m "       \
	"WHERE m.user_id = $1 AND " IN_WINDOW("m.created_at")
#define OUTBOUND                                                                                   \
	"SELECT 2, " PER_HOUR ", count(*) FILTER (WHERE t.status IN ('sent', "                     \
	"'expired_approved')) FROM (SELECT m.created_at AS at, m.status FROM messages m "          \
	"WHERE m.user_id = $1 AND m.direction = 'outbound' AND " IN_WINDOW("m.created_at")
#define UNDELIVERED                                                                                \
	"SELECT 3, " PER_HOUR ", 0::bigint FROM (SELECT e.at FROM message_events e "               \
	"WHERE e.user_id = $1 AND e.stage = 'recipient' "                                          \
	"AND e.outcome IN ('failed', 'bounced') AND " IN_WINDOW("e.at")

const struct db_stmt store_overview_stmts[] = {
	/* $2 unread, $3 jobs that are counted, $4 $5 behind which agent, $6 agents */
	[AGENTS] = { "overview_agents",
		     "SELECT a.email, left(a.name, 200), a.agent_mode, a.hitl_enabled, a.created_at, " UNREAD
		     ", " LAST_IN ", " LAST_OUT ", " ENDPOINT_STATE
		     ", q.failing_since, q.last_error, " JOBS ", s.sockets, s.streams, s.polls, "
		     "CASE WHEN s.any THEN now() ELSE greatest(d.last_at, s.gone_at) END, "
		     "(SELECT count(*) FROM agents g WHERE g.user_id = $1) "
		     "FROM (SELECT g.* FROM agents g WHERE g.user_id = $1 "
		     "AND (g.created_at, g.email) < ($4, $5) "
		     "ORDER BY g.created_at DESC, g.email DESC LIMIT $6::bigint) a "
		     "LEFT JOIN webhook_queues q ON q.agent_email = a.email "
		     "LEFT JOIN listened d ON d.agent_email = a.email "
		     "CROSS JOIN LATERAL " LISTENERS " s "
		     "ORDER BY a.created_at DESC, a.email DESC",
		     false },
	/* $2 rows; as messages_held_idx has it */
	[HELD] = { "overview_held",
		   "SELECT t.agent_email, count(*) FROM (SELECT m.agent_email FROM messages m "
		   "WHERE m.user_id = $1 AND m.status = 'pending_approval' "
		   "ORDER BY m.approval_expires_at LIMIT $2::bigint) t GROUP BY t.agent_email",
		   false },
	/* Mail that came is all there is but what agents wrote. */
	[TRAFFIC] = { "overview_traffic",
		      "SELECT 0, now(), 0::bigint, 0::bigint UNION ALL " ALL_MAIL
		      " UNION ALL " OUTBOUND " UNION ALL " UNDELIVERED " ORDER BY 1",
		      false },
	[STEPS] = { "overview_steps",
		    "SELECT (SELECT min(a.created_at) FROM agents a WHERE a.user_id = $1), "
		    "s.received_at, s.delivered_at, s.listened_at, s.replied_at "
		    "FROM find_first_steps($1) s",
		    false },
	{ 0 },
};

/* ---- agents ---- */

static void read_agent(const struct db_rows *r, size_t row, struct arena *a,
		       struct store_overview_agent *ret)
{
	*ret = (struct store_overview_agent){
		.email = db_text(r, row, 0, a),
		.name = db_text(r, row, 1, a),
		.agent_mode = db_text(r, row, 2, a),
		.hitl_enabled = db_bool(r, row, 3),
		.created_us = db_time(r, row, 4),
		.unread = db_int(r, row, 5),
		.received_us = db_time(r, row, 6),
		.sent_us = db_time(r, row, 7),
		.webhook_state = db_text(r, row, 8, a),
		.failing_us = db_time(r, row, 9),
		.last_error = db_text(r, row, 10, a),
		.webhook_pending = db_int(r, row, 11),
		.webhook_failed = db_int(r, row, 12),
		.sockets = db_int(r, row, 13),
		.streams = db_int(r, row, 14),
		.polls = db_int(r, row, 15),
		.listened_us = db_time(r, row, 16),
	};
}

static enum err find_agents(struct db *db, const struct store_overview_page *page, struct arena *a,
			    struct store_overview_agents *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, page->user_id);
	db_arg_int(&args, STORE_OVERVIEW_UNREAD_MAX + 1);
	db_arg_int(&args, STORE_OVERVIEW_JOBS_MAX + 1);
	db_arg_time(&args, page->before_us ? page->before_us : END_OF_TIME_US);
	db_arg_text(&args, page->before_email);
	db_arg_int(&args, page->limit + 1);
	e = db_query(db, &store_overview_stmts[AGENTS], &args, &r, fail);
	if (e)
		return e;
	ret->n = db_rows_count(r);
	ret->total = ret->n ? db_int(r, 0, 17) : 0;
	ret->more = (int64_t)ret->n > page->limit;
	ret->n -= ret->more;
	ret->v = arena_calloc(a, ret->n, sizeof(*ret->v));
	for (size_t i = 0; i < ret->n; i++)
		read_agent(r, i, a, &ret->v[i]);
	return OK;
}

static void give_held(const struct db_rows *r, size_t row, struct store_overview_agents *ret)
{
	struct slice email = db_slice(r, row, 0);

	ret->held += db_int(r, row, 1);
	for (size_t i = 0; i < ret->n; i++)
		if (slice_eq(ret->v[i].email, email))
			ret->v[i].held = db_int(r, row, 1);
}

enum err store_overview_agents(struct db *db, const struct store_overview_page *page,
			       struct arena *a, struct store_overview_agents *ret,
			       struct fail *fail)
{
	struct store_overview_agents found = { 0 };
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = find_agents(db, page, a, &found, fail);

	if (e)
		return e;
	db_arg_text(&args, page->user_id);
	db_arg_int(&args, STORE_OVERVIEW_HOLDS_MAX + 1);
	e = db_query(db, &store_overview_stmts[HELD], &args, &r, fail);
	if (e)
		return e;
	for (size_t row = 0; row < db_rows_count(r); row++)
		give_held(r, row, &found);
	*ret = found;
	return OK;
}

/* ---- traffic ---- */

static void begin_buckets(struct store_overview_traffic *ret, int64_t now_us)
{
	int64_t hour_us = now_us / HOUR_US * HOUR_US, day_us = now_us / DAY_US * DAY_US;

	for (int64_t i = 0; i < STORE_OVERVIEW_HOURS; i++)
		ret->hours[i].at_us = hour_us - (STORE_OVERVIEW_HOURS - 1 - i) * HOUR_US;
	for (int64_t i = 0; i < STORE_OVERVIEW_DAYS; i++)
		ret->days[i].at_us = day_us - (STORE_OVERVIEW_DAYS - 1 - i) * DAY_US;
}

/* From which hour on all kinds were counted whole, when there was too much of one; else 0. */
static int64_t find_since(const struct db_rows *r)
{
	int64_t n[4] = { 0 }, oldest_us[4] = { 0 }, ret_us = 0;

	for (size_t row = 0; row < db_rows_count(r); row++) {
		int64_t kind = db_int(r, row, 0), at_us = db_time(r, row, 1);

		n[kind] += db_int(r, row, 2);
		if (!oldest_us[kind] || at_us < oldest_us[kind])
			oldest_us[kind] = at_us;
	}
	for (size_t kind = 1; kind < ARRAY_LEN(n); kind++)
		if (n[kind] >= STORE_OVERVIEW_MAIL_MAX && oldest_us[kind] + HOUR_US > ret_us)
			ret_us = oldest_us[kind] + HOUR_US;
	return ret_us;
}

static void count_row(struct store_traffic *t, int64_t kind, int64_t n, int64_t left)
{
	switch (kind) {
	case 1:
		t->received += n;
		break;
	case 2:
		t->received -= n;
		t->sent += left;
		break;
	default:
		t->undelivered += n;
		break;
	}
}

static void count_hour(struct store_overview_traffic *ret, const struct db_rows *r, size_t row)
{
	int64_t kind = db_int(r, row, 0), at_us = db_time(r, row, 1), n = db_int(r, row, 2);
	int64_t left = db_int(r, row, 3), hour = (at_us - ret->hours[0].at_us) / HOUR_US;
	int64_t day = (at_us - ret->days[0].at_us) / DAY_US;

	if (at_us >= ret->hours[0].at_us && hour < STORE_OVERVIEW_HOURS)
		count_row(&ret->hours[hour], kind, n, left);
	if (at_us >= ret->days[0].at_us && day < STORE_OVERVIEW_DAYS)
		count_row(&ret->days[day], kind, n, left);
}

enum err store_overview_traffic(struct db *db, struct slice user_id,
				struct store_overview_traffic *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_int(&args, STORE_OVERVIEW_MAIL_MAX);
	e = db_query(db, &store_overview_stmts[TRAFFIC], &args, &r, fail);
	if (e)
		return e;
	*ret = (struct store_overview_traffic){ 0 };
	begin_buckets(ret, db_time(r, 0, 1));
	ret->since_us = find_since(r);
	for (size_t row = 1; row < db_rows_count(r); row++)
		if (db_time(r, row, 1) >= ret->since_us)
			count_hour(ret, r, row);
	return OK;
}

/* ---- first steps ---- */

enum err store_overview_steps(struct db *db, struct slice user_id, struct store_first_steps *ret,
			      struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_overview_stmts[STEPS], &args, &r, fail);
	if (e == OK)
		*ret = (struct store_first_steps){
			.agent_us = db_time(r, 0, 0),
			.received_us = db_time(r, 0, 1),
			.delivered_us = db_time(r, 0, 2),
			.listened_us = db_time(r, 0, 3),
			.replied_us = db_time(r, 0, 4),
		};
	return e;
}
