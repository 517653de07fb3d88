/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits. One call is one transaction, so that a counter is never locked for long. */
#include "common/store/store_limit.h"

enum { TAKE_SLOT };

const struct db_stmt store_limit_stmts[] = {
	[TAKE_SLOT] = { "limit_take",
			"SELECT take_slot($1, $2::bigint::integer, "
			"$3::bigint * interval '1 ms')",
			true },
	{ 0 },
};

enum err store_limit_take(struct db *db, struct slice name, int64_t most, int64_t window_ms,
			  int64_t *ret_wait_ms, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, name);
	db_arg_int(&args, most);
	db_arg_int(&args, window_ms);
	e = db_query(db, &store_limit_stmts[TAKE_SLOT], &args, &r, fail);
	if (e == OK)
		*ret_wait_ms = db_int(r, 0, 0);
	return e;
}
