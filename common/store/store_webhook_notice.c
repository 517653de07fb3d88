/* SPDX-License-Identifier: Apache-2.0 */
/* Of several who look at once, each takes another owner: the function of the database locks. */
#include "common/store/store_webhook_notice.h"

const struct db_stmt store_webhook_notice_stmts[] = {
	/* $1 ms, $2 ms, $3 webhooks, $4 most mails that are counted of each */
	{ "webhook_notice_take",
	  "SELECT user_id, address, agent, trouble, reason, since, failures, last_status, "
	  "last_error, pending, failed "
	  "FROM tell_webhook_owner($1::bigint, $2::bigint, $3::bigint, $4::bigint)",
	  true },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t i, struct arena *a,
		     struct store_webhook_trouble *ret)
{
	*ret = (struct store_webhook_trouble){
		.agent = db_text(r, i, 2, a),
		.trouble = db_text(r, i, 3, a),
		.reason = db_text(r, i, 4, a),
		.since_us = db_time(r, i, 5),
		.failures = db_int(r, i, 6),
		.last_status = db_int(r, i, 7),
		.last_error = db_text(r, i, 8, a),
		.pending = db_int(r, i, 9),
		.failed = db_int(r, i, 10),
	};
}

enum err store_webhook_notice_take(struct db *db, int64_t after_ms, int64_t gap_ms, struct arena *a,
				   struct store_webhook_notice *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	size_t n;
	enum err e;

	db_arg_int(&args, after_ms);
	db_arg_int(&args, gap_ms);
	db_arg_int(&args, STORE_WEBHOOK_NOTICE_MAX);
	db_arg_int(&args, STORE_WEBHOOK_NOTICE_COUNT_MAX + 1);
	e = db_query(db, &store_webhook_notice_stmts[0], &args, &r, fail);
	if (e)
		return e;
	n = db_rows_count(r);
	if (n == 0)
		return fail_set(fail, ERR_NOT_FOUND, "nobody has to be told");
	*ret = (struct store_webhook_notice){ .user_id = db_text(r, 0, 0, a),
					      .address = db_text(r, 0, 1, a),
					      .v = arena_calloc(a, n, sizeof(*ret->v)),
					      .n = n };
	for (size_t i = 0; i < n; i++)
		read_row(r, i, a, &ret->v[i]);
	return OK;
}
