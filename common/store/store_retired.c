/* SPDX-License-Identifier: Apache-2.0 */
/* Retired addresses. Nobody must get one between the end of its agent and its row here. */
#include "common/store/store_retired.h"

/* The agents `which` of user $1, for $2 ms; in one order for all transactions. */
#define ADD(name, which)                                                                           \
	{                                                                                          \
		name,                                                                              \
			"INSERT INTO retired_addresses AS t (address, user_id, expires_at) "       \
			"SELECT a.address, a.user_id, CASE WHEN NOT EXISTS "                       \
			"(SELECT FROM domains d WHERE d.domain = a.domain AND d.user_id IS NULL) " \
			"THEN clock_timestamp() + $2::bigint * interval '1 ms' END "               \
			"FROM agents a WHERE a.user_id = $1" which " ORDER BY a.address "          \
			"ON CONFLICT (address) DO UPDATE SET user_id = EXCLUDED.user_id, "         \
			"retired_at = EXCLUDED.retired_at, expires_at = EXCLUDED.expires_at",      \
			true                                                                       \
	}

enum { ADD_ONE, ADD_ALL, TAKE_BACK };

const struct db_stmt store_retired_stmts[] = {
	[ADD_ONE] = ADD("retired_add", " AND a.email = $3"),
	[ADD_ALL] = ADD("retired_add_all", ""),
	/* A row, if the address is kept from the user. */
	[TAKE_BACK] = { "retired_take",
			"WITH back AS (DELETE FROM retired_addresses t WHERE t.address = $2 "
			"AND (t.user_id = $1 OR t.expires_at <= clock_timestamp()) "
			"RETURNING t.address) "
			"SELECT 1 FROM retired_addresses t WHERE t.address = $2 "
			"AND NOT EXISTS (SELECT FROM back)",
			true },
	{ 0 },
};

enum err store_retired_add(struct db *db, struct slice user_id, struct slice email, int64_t kept_ms,
			   struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_int(&args, kept_ms);
	db_arg_text(&args, email);
	return db_query(db, &store_retired_stmts[ADD_ONE], &args, NULL, fail);
}

enum err store_retired_add_all(struct db *db, struct slice user_id, int64_t kept_ms,
			       struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_int(&args, kept_ms);
	return db_query(db, &store_retired_stmts[ADD_ALL], &args, NULL, fail);
}

enum err store_retired_take(struct db *db, struct slice user_id, struct slice address,
			    struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t kept;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, address);
	e = db_query_count(db, &store_retired_stmts[TAKE_BACK], &args, &kept, fail);
	if (e)
		return e;
	return kept ? fail_set(fail, ERR_CONFLICT, "address is kept from others") : OK;
}
