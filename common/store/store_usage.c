/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage sums. The mark on the events and the sum are one statement: an event must
 * never be in a sum without its mark, nor marked without being in one.
 */
#include "common/store/store_usage.h"

enum { SUM };

const struct db_stmt store_usage_stmts[] = {
	/* one order of the sums for all, so that two daemons cannot deadlock */
	[SUM] = { "usage_sum",
		  "WITH done AS (UPDATE usage_events e SET counted = true "
		  "WHERE e.id = ANY (ARRAY(SELECT o.id FROM usage_events o WHERE NOT o.counted "
		  "ORDER BY o.created_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED)) "
		  "RETURNING e.user_id, (e.created_at AT TIME ZONE 'UTC')::date AS day), "
		  "sums AS (INSERT INTO usage_summaries AS s (user_id, day, messages) "
		  "SELECT d.user_id, d.day, count(*) FROM done d GROUP BY d.user_id, d.day "
		  "ORDER BY d.user_id, d.day ON CONFLICT (user_id, day) "
		  "DO UPDATE SET messages = s.messages + excluded.messages) "
		  "SELECT count(*) FROM done",
		  true },
	{ 0 },
};

struct batch {
	int64_t limit, n;
};

static enum err sum(struct db *db, void *arg, struct fail *fail)
{
	struct batch *b = arg;
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_int(&args, b->limit);
	e = db_query(db, &store_usage_stmts[SUM], &args, &r, fail);
	if (e == OK)
		b->n = db_int(r, 0, 0);
	return e;
}

/* In a transaction for its repetition: the deletion of a user takes the same locks in another
 * order. */
enum err store_usage_sum(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail)
{
	struct batch b = { .limit = limit };
	enum err e = db_tx(db, sum, &b, fail);

	if (e == OK)
		*ret_n = (size_t)b.n;
	return e;
}
