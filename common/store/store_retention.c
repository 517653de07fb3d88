/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention. It must never delete a message that something still waits for.
 *
 * The rows of a batch are found by = ANY (ARRAY (...)): to join them, the planner,
 * who does not know how small a batch is, would read the whole table.
 */
#include "common/store/store_retention.h"

enum { MESSAGES, THEIR_BODIES, OLD_BODIES, SESSIONS, LINKS, ANSWERS, COUNTERS, ADDRESSES };

const struct db_stmt store_retention_stmts[] = {
	[MESSAGES] = { "retention_messages",
		       "WITH gone AS (DELETE FROM messages WHERE id = ANY (ARRAY("
		       "SELECT m.id FROM messages m WHERE m.expires_at < now() "
		       "AND NOT EXISTS (SELECT FROM webhook_jobs j "
		       "WHERE j.message_id = m.id AND j.state = 'pending') "
		       "AND m.status <> 'pending_approval' "
		       "AND (SELECT o.id FROM outbound_jobs o WHERE o.message_id = m.id "
		       "AND o.state <> 'failed' LIMIT 1) IS NULL "
		       "ORDER BY m.expires_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED)) "
		       "RETURNING id, user_id, raw_id, inbox_status), "
		       "seen AS MATERIALIZED (SELECT g.id, g.user_id, g.raw_id, "
		       "g.inbox_status = 'unread' AND NOT EXISTS (SELECT FROM message_events e "
		       "WHERE e.message_id = g.id AND e.stage = 'webhook' "
		       "AND e.outcome = 'delivered') AS unread FROM gone g), "
		       "ledger AS (INSERT INTO message_events (message_id, user_id, stage, outcome, "
		       "reason) SELECT s.id, s.user_id, 'retention', 'deleted', "
		       "CASE WHEN s.unread THEN 'unread' ELSE '' END FROM seen s) "
		       "SELECT coalesce(s.raw_id, ''), coalesce(s.unread, false) FROM seen s",
		       true },
	[THEIR_BODIES] = { "retention_their_bodies",
			   "DELETE FROM raw_messages r WHERE r.id = ANY ($1::text[]) "
			   "AND NOT EXISTS (SELECT FROM messages m WHERE m.raw_id = r.id)",
			   true },
	/* LIMIT 1, so that it is no join: body by body, oldest first, by two indexes */
	[OLD_BODIES] = { "retention_old_bodies",
			 "DELETE FROM raw_messages WHERE id = ANY (ARRAY("
			 "SELECT r.id FROM raw_messages r "
			 "WHERE r.created_at < now() - $1::bigint * interval '1 ms' "
			 "AND (SELECT m.id FROM messages m WHERE m.raw_id = r.id LIMIT 1) IS NULL "
			 "ORDER BY r.created_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) "
			 "RETURNING 1",
			 true },
	[SESSIONS] = { "retention_sessions",
		       "DELETE FROM sessions WHERE hash = ANY (ARRAY("
		       "SELECT s.hash FROM sessions s WHERE s.expires_at < now() "
		       "ORDER BY s.expires_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1",
		       true },
	[LINKS] = { "retention_links",
		    "DELETE FROM sign_in_links WHERE hash = ANY (ARRAY("
		    "SELECT l.hash FROM sign_in_links l WHERE l.expires_at < now() "
		    "ORDER BY l.expires_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1",
		    true },
	[ANSWERS] = { "retention_answers",
		      "WITH old AS MATERIALIZED (SELECT array_agg(t.owner) AS owners, "
		      "array_agg(t.key_hash) AS hashes FROM (SELECT k.owner, k.key_hash "
		      "FROM idempotency_keys k "
		      "WHERE k.created_at < now() - $1::bigint * interval '1 ms' "
		      "ORDER BY k.created_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED) t) "
		      "DELETE FROM idempotency_keys k "
		      "USING old, unnest(old.owners, old.hashes) AS d (owner, hash) "
		      "WHERE k.owner = d.owner AND k.key_hash = d.hash RETURNING 1",
		      true },
	/* In no order: an index on the time would cost each request that is counted. */
	[COUNTERS] = { "retention_counters",
		       "DELETE FROM rate_counters WHERE name = ANY (ARRAY("
		       "SELECT c.name FROM rate_counters c "
		       "WHERE c.used_at < now() - $1::bigint * interval '1 ms' "
		       "LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1",
		       true },
	[ADDRESSES] = { "retention_addresses",
			"DELETE FROM retired_addresses WHERE address = ANY (ARRAY("
			"SELECT r.address FROM retired_addresses r WHERE r.expires_at < now() "
			"ORDER BY r.expires_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1",
			true },
	{ 0 },
};

struct batch {
	int64_t limit;
	size_t deleted, unread;
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
	b->unread = 0;
	for (size_t i = 0; i < b->deleted; i++) {
		ids[i] = db_slice(r, i, 0);
		b->unread += db_bool(r, i, 1);
	}
	db_arg_texts(&bodies, ids, b->deleted);
	return db_query(db, &store_retention_stmts[THEIR_BODIES], &bodies, NULL, fail);
}

enum err store_retention_messages(struct db *db, int64_t limit, size_t *ret_n, size_t *ret_unread,
				  struct fail *fail)
{
	struct batch b = { .limit = limit };
	enum err e = db_tx(db, delete_messages, &b, fail);

	if (e)
		return e;
	*ret_n = b.deleted;
	*ret_unread = b.unread;
	return OK;
}

static enum err delete_due(struct db *db, int stmt, int64_t limit, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, limit);
	return db_query_count(db, &store_retention_stmts[stmt], &args, ret_n, fail);
}

static enum err delete_old(struct db *db, int stmt, int64_t age_ms, int64_t limit, size_t *ret_n,
			   struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, age_ms);
	db_arg_int(&args, limit);
	return db_query_count(db, &store_retention_stmts[stmt], &args, ret_n, fail);
}

enum err store_retention_bodies(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				struct fail *fail)
{
	return delete_old(db, OLD_BODIES, age_ms, limit, ret_n, fail);
}

enum err store_retention_sessions(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail)
{
	return delete_due(db, SESSIONS, limit, ret_n, fail);
}

enum err store_retention_links(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail)
{
	return delete_due(db, LINKS, limit, ret_n, fail);
}

enum err store_retention_answers(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				 struct fail *fail)
{
	return delete_old(db, ANSWERS, age_ms, limit, ret_n, fail);
}

enum err store_retention_counters(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
				  struct fail *fail)
{
	return delete_old(db, COUNTERS, age_ms, limit, ret_n, fail);
}

enum err store_retention_addresses(struct db *db, int64_t limit, size_t *ret_n, struct fail *fail)
{
	return delete_due(db, ADDRESSES, limit, ret_n, fail);
}
