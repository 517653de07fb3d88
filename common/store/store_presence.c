/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statement for many agents. It never waits for an agent that is being deleted, which may
 * take minutes, and writes in one order, so that two e2a-apid do not wait for each other.
 */
#include "common/store/store_presence.h"

#include "common/store/db_sql.h"

#include <assert.h>

enum { FLUSH, EXPIRE };

const struct db_stmt store_presence_stmts[] = {
	/* $1 instance, $2 agents, $3 sockets, $4 streams, $5 polls */
	[FLUSH] = { "presence_flush",
		    "WITH " ASYNC ", told AS MATERIALIZED (SELECT t.* FROM async, "
		    "unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) "
		    "AS t (email, sockets, streams, polls)), "
		    "me AS (INSERT INTO apid_instances AS i (id, seen_at) SELECT $1, now() FROM async "
		    "ON CONFLICT (id) DO UPDATE SET seen_at = now() RETURNING i.xmax = 0 AS fresh), "
		    "mine AS MATERIALIZED (SELECT t.* FROM told t JOIN agents a ON a.email = t.email "
		    "ORDER BY a.email FOR KEY SHARE OF a SKIP LOCKED), "
		    "here AS (INSERT INTO listeners AS l (agent_email, instance, sockets, streams, "
		    "polls) SELECT m.email, $1, m.sockets, m.streams, m.polls FROM mine m "
		    "WHERE m.sockets + m.streams + m.polls > 0 ON CONFLICT (agent_email, instance) "
		    "DO UPDATE SET sockets = excluded.sockets, streams = excluded.streams, "
		    "polls = excluded.polls), "
		    "gone AS (DELETE FROM listeners l USING mine m WHERE l.agent_email = m.email "
		    "AND l.instance = $1 AND m.sockets + m.streams + m.polls = 0), "
		    "seen AS (INSERT INTO listened (agent_email, first_at, last_at) "
		    "SELECT m.email, now(), now() FROM mine m ON CONFLICT (agent_email) "
		    "DO UPDATE SET last_at = excluded.last_at) "
		    "SELECT me.fresh, (SELECT count(*) FROM mine) < (SELECT count(*) FROM told t "
		    "JOIN agents a ON a.email = t.email) FROM me",
		    false },
	/* $1 instance, $2 ms */
	[EXPIRE] = { "presence_expire",
		     "WITH " ASYNC
		     ", gone AS (DELETE FROM apid_instances i WHERE i.id = ANY (ARRAY("
		     "SELECT d.id FROM async, apid_instances d WHERE d.id = $1 "
		     "OR d.seen_at < now() - $2::bigint * interval '1 ms' LIMIT 100 "
		     "FOR UPDATE OF d SKIP LOCKED)) RETURNING i.id, "
		     "CASE WHEN i.id = $1 THEN now() ELSE i.seen_at END AS at), "
		     "was AS MATERIALIZED (SELECT l.agent_email, max(g.at) AS at FROM gone g "
		     "JOIN listeners l ON l.instance = g.id GROUP BY l.agent_email) "
		     "UPDATE listened s SET last_at = greatest(s.last_at, w.at) FROM was w "
		     "WHERE s.agent_email = w.agent_email",
		     false },
	{ 0 },
};

struct flush {
	struct slice instance;
	const struct store_presence *p;
	struct store_presence_found *ret;
};

static enum err flush(struct db *db, void *arg, struct fail *fail)
{
	const struct flush *f = arg;
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, f->instance);
	db_arg_texts(&args, f->p->agents, f->p->n);
	db_arg_ints(&args, f->p->sockets, f->p->n);
	db_arg_ints(&args, f->p->streams, f->p->n);
	db_arg_ints(&args, f->p->polls, f->p->n);
	e = db_query(db, &store_presence_stmts[FLUSH], &args, &r, fail);
	if (e == OK)
		*f->ret = (struct store_presence_found){ .fresh = db_bool(r, 0, 0),
							 .again = db_bool(r, 0, 1) };
	return e;
}

/* In a transaction for its repetition after a deadlock. */
enum err store_presence_flush(struct db *db, struct slice instance, const struct store_presence *p,
			      struct store_presence_found *ret, struct fail *fail)
{
	struct flush f = { .instance = instance, .p = p, .ret = ret };

	assert(p->n <= STORE_PRESENCE_MAX);
	return db_tx(db, flush, &f, fail);
}

struct expire {
	struct slice leaving;
	int64_t age_ms;
};

static enum err expire(struct db *db, void *arg, struct fail *fail)
{
	const struct expire *x = arg;
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, x->leaving);
	db_arg_int(&args, x->age_ms);
	return db_query(db, &store_presence_stmts[EXPIRE], &args, NULL, fail);
}

enum err store_presence_expire(struct db *db, struct slice leaving, int64_t age_ms,
			       struct fail *fail)
{
	struct expire x = { .leaving = leaving, .age_ms = age_ms };

	return db_tx(db, expire, &x, fail);
}
