/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments. The time is taken after the snapshot: what is written later than that time is
 * in no case in it.
 */
#include "common/store/store_moment.h"

enum { NOW };

#define TEXT_OF_S                                                                                  \
	"CASE WHEN length(s::text) <= $1 THEN s::text "                                            \
	"ELSE pg_snapshot_xmin(s) || ':' || pg_snapshot_xmin(s) || ':' END"

const struct db_stmt store_moment_stmts[] = {
	[NOW] = { "moment_now",
		  "SELECT clock_timestamp(), " TEXT_OF_S " FROM pg_current_snapshot() s", false },
	{ 0 },
};

enum err store_moment_now(struct db *db, struct arena *a, struct store_moment *ret,
			  struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_int(&args, STORE_MOMENT_SNAPSHOT_MAX);
	e = db_query(db, &store_moment_stmts[NOW], &args, &r, fail);
	if (e == OK)
		*ret = (struct store_moment){ db_time(r, 0, 0), db_text(r, 0, 1, a) };
	return e;
}

void store_moment_arg(struct db_args *args, const struct store_moment *m)
{
	db_arg_time(args, m->snapshot.n ? m->at_us : INT64_MIN);
	db_arg_text(args, m->snapshot.n ? m->snapshot : S("1:1:"));
}
