/* SPDX-License-Identifier: Apache-2.0 */
/* The suppression list. Whoever asks whether an address is on it must not send when that fails. */
#include "common/store/store_suppression.h"

#define COLUMNS "s.address, s.reason, s.code, s.detail, s.message_id, s.created_at"

enum { LIST, FIND, DELETE, CHECK };

const struct db_stmt store_suppression_stmts[] = {
	/* $2 $3 where to go on, $4 rows */
	[LIST] = { "suppression_list",
		   "SELECT " COLUMNS " FROM suppressions s WHERE s.user_id = $1 "
		   "AND (s.created_at, s.address) < ($2, $3) "
		   "ORDER BY s.created_at DESC, s.address DESC LIMIT $4::bigint",
		   false },
	[FIND] = { "suppression_find",
		   "SELECT " COLUMNS " FROM suppressions s WHERE s.user_id = $1 "
		   "AND s.address = $2",
		   false },
	[DELETE] = { "suppression_delete",
		     "DELETE FROM suppressions s WHERE s.user_id = $1 AND s.address = $2 "
		     "RETURNING 1",
		     true },
	/* $2 addresses */
	[CHECK] = { "suppression_check",
		    "SELECT asked.i FROM unnest($2::text[]) WITH ORDINALITY AS asked (address, i) "
		    "JOIN suppressions s ON s.user_id = $1 AND s.address = asked.address",
		    false },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t row, struct arena *a,
		     struct store_suppression *ret)
{
	*ret = (struct store_suppression){
		.address = db_text(r, row, 0, a),
		.reason = db_text(r, row, 1, a),
		.code = db_text(r, row, 2, a),
		.detail = db_text(r, row, 3, a),
		.message_id = db_text(r, row, 4, a),
		.created_us = db_time(r, row, 5),
	};
}

enum err store_suppression_list(struct db *db, struct slice user_id,
				const struct store_suppression_key *after, int64_t limit,
				struct arena *a, struct store_suppression **ret, size_t *ret_n,
				bool *ret_more, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_time(&args, after->address.n ? after->created_us : INT64_MAX);
	db_arg_text(&args, after->address);
	db_arg_int(&args, limit + 1);
	e = db_query(db, &store_suppression_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	n = db_rows_count(r);
	*ret_more = n > (size_t)limit;
	*ret_n = *ret_more ? (size_t)limit : n;
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_row(r, i, a, &(*ret)[i]);
	return OK;
}

enum err store_suppression_find(struct db *db, struct slice user_id, struct slice address,
				struct arena *a, struct store_suppression *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, address);
	e = db_query(db, &store_suppression_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such suppression");
	read_row(r, 0, a, ret);
	return OK;
}

enum err store_suppression_delete(struct db *db, struct slice user_id, struct slice address,
				  struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, address);
	e = db_query_count(db, &store_suppression_stmts[DELETE], &args, &n, fail);
	if (e)
		return e;
	return n ? OK : fail_set(fail, ERR_NOT_FOUND, "no such suppression");
}

enum err store_suppression_check(struct db *db, struct slice user_id, const struct slice *folded,
				 size_t n, bool *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_texts(&args, folded, n);
	e = db_query(db, &store_suppression_stmts[CHECK], &args, &r, fail);
	if (e)
		return e;
	for (size_t i = 0; i < n; i++)
		ret[i] = false;
	for (size_t row = 0; row < db_rows_count(r); row++)
		ret[db_int(r, row, 0) - 1] = true;
	return OK;
}
