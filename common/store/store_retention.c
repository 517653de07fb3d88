/* SPDX-License-Identifier: Apache-2.0 */
/* Retention. It must never delete a message that something still waits for. */
#include "common/store/store_retention.h"

enum { MESSAGES, THEIR_BODIES, OLD_BODIES };

const struct db_stmt store_retention_stmts[] = {
	[MESSAGES] = { "retention_messages",
		       "DELETE FROM messages WHERE id IN ("
		       "SELECT m.id FROM messages m WHERE m.expires_at < now() "
		       "AND NOT EXISTS (SELECT FROM webhook_jobs j "
		       "WHERE j.message_id = m.id AND j.state = 'pending') "
		       "ORDER BY m.expires_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED) "
		       "RETURNING coalesce(raw_id, '')",
		       true },
	[THEIR_BODIES] = { "retention_their_bodies",
			   "DELETE FROM raw_messages r WHERE r.id = ANY ($1::text[]) "
			   "AND NOT EXISTS (SELECT FROM messages m WHERE m.raw_id = r.id)",
			   true },
	[OLD_BODIES] = { "retention_old_bodies",
			 "DELETE FROM raw_messages WHERE id IN ("
			 "SELECT r.id FROM raw_messages r "
			 "WHERE r.created_at < now() - $1::bigint * interval '1 ms' "
			 "AND NOT EXISTS (SELECT FROM messages m WHERE m.raw_id = r.id) "
			 "ORDER BY r.created_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED) "
			 "RETURNING 1",
			 true },
	{ 0 },
};

struct batch {
	int64_t limit;
	size_t deleted;
};

static enum err delete_messages(struct db *db, void *arg, struct fail *fail)
{
	struct batch *b = arg;
	struct db_args args = DB_ARGS_INIT, bodies = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice *ids;
	enum err e;

	db_arg_int(&args, b->limit);
	e = db_query(db, &store_retention_stmts[MESSAGES], &args, &r, fail);
	if (e)
		return e;
	b->deleted = db_rows_count(r);
	ids = arena_calloc(&a, b->deleted, sizeof(*ids));
	for (size_t i = 0; i < b->deleted; i++)
		ids[i] = db_slice(r, i, 0);
	db_arg_texts(&bodies, ids, b->deleted);
	return db_query(db, &store_retention_stmts[THEIR_BODIES], &bodies, NULL, fail);
}

enum err store_retention_messages(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail)
{
	struct batch b = { .limit = limit };
	enum err e = db_tx(db, delete_messages, &b, fail);

	if (e == OK)
		*ret_n = b.deleted;
	return e;
}

enum err store_retention_bodies(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, age_ms);
	db_arg_int(&args, limit);
	return db_query_count(db, &store_retention_stmts[OLD_BODIES], &args, ret_n, fail);
}
