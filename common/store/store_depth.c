/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The depth of the queues, from their partial indexes and up to a ceiling: looking must
 * never be a load, least of all when the queues are long.
 */
#include "common/store/store_depth.h"

enum { DEPTH, ENDPOINTS };

#define UP_TO " LIMIT $1::bigint)"
#define COUNT(table, state)                                                                        \
	"(SELECT count(*) FROM (SELECT FROM " table " WHERE state = '" state "'" UP_TO " t)"
#define SINCE(due)                                                                                 \
	"coalesce(floor(1000 * extract(epoch FROM now() - (SELECT min(t.due_at) FROM ("            \
	"SELECT due_at FROM " due UP_TO " t))), 0)::bigint"
/* Those that could be tried, and are in nobody's hands. */
#define DUE(table)                                                                                 \
	table " WHERE state = 'pending' AND due_at <= now() "                                      \
	      "AND (lease_until IS NULL OR lease_until < now())"
#define PENDING(n, table) "SELECT " n ", " COUNT(table, "pending") ", "
/* Each part by its index. */
#define IN_QUEUE(which)                                                                            \
	"(SELECT count(*) FROM (SELECT FROM webhook_jobs WHERE state = 'pending' AND " which UP_TO \
	" t)"

/* A queue says when it wants attention, so that those left alone for now are not late. */
#define WEBHOOKS                                                                                   \
	"SELECT 0, " IN_QUEUE("queued") " + " IN_QUEUE("NOT queued") ", " COUNT(                   \
		"webhook_jobs", "failed") ", " SINCE("webhook_queues WHERE due_at <= now()")
#define OUTBOUND                                                                                   \
	PENDING("1", "outbound_jobs")                                                              \
	COUNT("outbound_jobs", "failed")                                                           \
	" + " COUNT("outbound_jobs", "unknown") ", " SINCE(DUE("outbound_jobs"))
#define MAILS PENDING("2", "mail_jobs") COUNT("mail_jobs", "failed") ", " SINCE(DUE("mail_jobs"))
_Static_assert(QUEUE_WEBHOOK == 0 && QUEUE_OUTBOUND == 1 && QUEUE_MAIL == 2, "they say the same");

const struct db_stmt store_depth_stmts[] = {
	/* $1 ceiling; a row for each queue */
	[DEPTH] = { "depth", WEBHOOKS " UNION ALL " OUTBOUND " UNION ALL " MAILS, false },
	/* $1 ceiling */
	[ENDPOINTS] = { "depth_endpoints",
			"SELECT count(*) FILTER (WHERE t.disabled_at IS NULL AND t.open_until IS NULL), "
			"count(*) FILTER (WHERE t.disabled_at IS NULL AND t.open_until IS NOT NULL), "
			"count(*) FILTER (WHERE t.disabled_at IS NOT NULL) "
			"FROM (SELECT disabled_at, open_until FROM webhook_queues "
			"WHERE disabled_at IS NOT NULL OR failing_since IS NOT NULL" UP_TO " t",
			false },
	{ 0 },
};

enum err store_depth(struct db *db, struct store_depth ret[QUEUES], struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_int(&args, STORE_DEPTH_MAX);
	e = db_query(db, &store_depth_stmts[DEPTH], &args, &r, fail);
	for (size_t i = 0; e == OK && i < db_rows_count(r); i++)
		ret[db_int(r, i, 0)] = (struct store_depth){
			.pending = db_int(r, i, 1),
			.failed = db_int(r, i, 2),
			.behind_ms = db_int(r, i, 3),
		};
	return e;
}

enum err store_depth_endpoints(struct db *db, int64_t ret[ENDPOINT_STATES], struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_int(&args, STORE_DEPTH_MAX);
	e = db_query(db, &store_depth_stmts[ENDPOINTS], &args, &r, fail);
	for (int i = 0; e == OK && i < ENDPOINT_STATES; i++)
		ret[i] = db_int(r, 0, i);
	return e;
}
