/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for reading. The guard (user, agent, direction, expiry) is in every
 * statement; nothing here finds a message by its id alone.
 */
#include "common/store/store_message.h"

#include "common/store/store_listener_sql.h"
#include "common/store/store_message_row.h"

/* $3 id, $4 bytes of the head */
#define DETAIL(status)                                                                             \
	"SELECT " MESSAGE_SUMMARY                                                                  \
	", m.sender, m.envelope_sender, m.email_message_id, m.entity_type, m.domain_check, "       \
	"m.delegation, m.sha256, "                                                                 \
	"m.authentication::text, r.id, r.size, substring(r.raw from 1 for $4::int), " status       \
	" FROM messages m LEFT JOIN raw_messages r ON r.id = m.raw_id "                            \
	"WHERE " MESSAGE_MINE " AND m.id = $3"

/* $8 key, $9 session, $10 folded address of the agent. The first row is there in any case. */
#define LISTENS LISTENER_MAY("$8", "$9", "$10")
#define NEXT(which)                                                                                \
	"SELECT " MESSAGE_NOTICE " FROM messages m WHERE l.yes AND " MESSAGE_MINE                  \
	" AND (m.created_at, m.id) > ($3, $4) AND m.id <> ALL ($5::text[]) AND " which             \
	" ORDER BY m.created_at, m.id LIMIT $7"
#define STREAM(name, which)                                                                        \
	{                                                                                          \
		name,                                                                              \
			"SELECT m.*, l.yes FROM (SELECT " LISTENS                                  \
			" AS yes) l LEFT JOIN LATERAL (" NEXT(                                     \
				which) ") m ON true ORDER BY m.created_at, m.id",                  \
			false                                                                      \
	}

enum { READ, MARK, PEEK, RAW, BACKLOG, LIVE, CLOCK, RECENT };

#define END_OF_TIME_US 253402300799000000LL /* of the year 9999 */

const struct db_stmt store_message_stmts[] = {
	[READ] = { "message_read",
		   "WITH seen AS (UPDATE messages m SET inbox_status = 'read' WHERE " MESSAGE_MINE
		   " AND m.id = $3 AND m.inbox_status = 'unread' AND NOT EXISTS "
		   "(SELECT FROM raw_messages r WHERE r.id = m.raw_id AND r.size > $4)) " DETAIL(
			   "'read'"),
		   true },
	[MARK] = { "message_mark_read",
		   "UPDATE messages m SET inbox_status = 'read' WHERE " MESSAGE_MINE
		   " AND m.id = $3 AND m.inbox_status = 'unread'",
		   true },
	[PEEK] = { "message_peek", DETAIL("coalesce(m.inbox_status, 'unread')"), false },
	[RAW] = { "message_raw",
		  "SELECT substring(r.raw from $2::int for $3::int) FROM raw_messages r "
		  "WHERE r.id = $1",
		  false },
	[BACKLOG] = STREAM("message_backlog", "m.inbox_status = 'unread' AND m.created_at < $6"),
	[LIVE] = STREAM("message_live", "(m.inbox_status = 'unread' OR m.created_at >= $6)"),
	[CLOCK] = { "message_clock", "SELECT clock_timestamp()", false },
	/*
	 * By the bodies, which have an index over all agents. now() and not clock_timestamp(),
	 * which no index can be searched for; OFFSET keeps the planner from joining all messages.
	 */
	[RECENT] = { "message_recent",
		     "SELECT r.n, r.created_at, r.id, m.agent_email, m.id, m.created_at FROM "
		     "(SELECT row_number() OVER (ORDER BY r.created_at DESC, r.id DESC) AS n, "
		     "r.created_at, r.id FROM raw_messages r "
		     "WHERE r.created_at > now() - $1::bigint * interval '1 ms' "
		     "AND (r.created_at, r.id) < ($2, $3) "
		     "ORDER BY r.created_at DESC, r.id DESC LIMIT $4::bigint) r "
		     "LEFT JOIN LATERAL (SELECT * FROM messages m WHERE m.raw_id = r.id "
		     "AND m.direction = 'inbound' OFFSET 0) m ON true ORDER BY r.n",
		     false },
	{ 0 },
};

static void read_detail(const struct db_rows *r, struct arena *a, struct store_message *ret)
{
	int col = MESSAGE_SUMMARY_COLUMNS;

	*ret = (struct store_message){ 0 };
	store_message_row_summary(r, 0, a, ret);
	ret->sender = db_text(r, 0, col++, a);
	ret->envelope_sender = db_text(r, 0, col++, a);
	ret->email_message_id = db_text(r, 0, col++, a);
	ret->entity_type = db_text(r, 0, col++, a);
	ret->domain_check = db_text(r, 0, col++, a);
	ret->delegation = db_text(r, 0, col++, a);
	ret->sha256 = db_text(r, 0, col++, a);
	ret->authentication = db_text(r, 0, col++, a);
	ret->raw_id = db_text(r, 0, col++, a);
	ret->raw_size = db_int(r, 0, col++);
	ret->raw_head = db_text(r, 0, col++, a);
	ret->status = db_text(r, 0, col, a);
}

enum err store_message_read(struct db *db, const struct store_message_read *what, struct arena *a,
			    struct store_message *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, what->user_id);
	db_arg_text(&args, what->agent);
	db_arg_text(&args, what->id);
	db_arg_int(&args, what->head_max);
	e = db_query(db, &store_message_stmts[what->peek ? PEEK : READ], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such message");
	read_detail(r, a, ret);
	return OK;
}

enum err store_message_mark_read(struct db *db, const struct store_message_read *what,
				 struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, what->user_id);
	db_arg_text(&args, what->agent);
	db_arg_text(&args, what->id);
	return db_query(db, &store_message_stmts[MARK], &args, NULL, fail);
}

enum err store_message_raw(struct db *db, struct slice raw_id, int64_t offset, int64_t n,
			   struct buf *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, raw_id);
	db_arg_int(&args, offset + 1); /* SQL counts from 1 */
	db_arg_int(&args, n);
	e = db_query(db, &store_message_stmts[RAW], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0 || (int64_t)db_slice(r, 0, 0).n != n)
		return fail_set(fail, ERR_NOT_FOUND, "raw message is gone");
	buf_add_slice(ret, db_slice(r, 0, 0));
	return buf_check(ret);
}

static void arg_stream(struct db_args *args, const struct store_message_stream *s)
{
	db_arg_text(args, s->user_id);
	db_arg_text(args, s->agent);
	db_arg_time(args, s->after.created_us);
	db_arg_text(args, s->after.id);
	db_arg_texts(args, s->except, s->except_n);
	db_arg_time(args, s->live_us);
	db_arg_int(args, s->limit);
	db_arg_text(args, s->listener.key_id);
	db_arg_bytes(args, s->listener.session_hash);
	db_arg_text(args, s->listener.address);
}

enum err store_message_stream(struct db *db, const struct store_message_stream *s, struct arena *a,
			      struct store_message **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_stream(&args, s);
	e = db_query(db, &store_message_stmts[s->backlog ? BACKLOG : LIVE], &args, &r, fail);
	if (e)
		return e;
	if (!db_bool(r, 0, MESSAGE_NOTICE_COLUMNS))
		return fail_set(fail, ERR_FORBIDDEN,
				"key, session or agent does not allow listening");
	*ret_n = db_is_null(r, 0, 0) ? 0 : db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		store_message_row_notice(r, i, a, &(*ret)[i]);
	return OK;
}

enum err store_message_clock(struct db *db, int64_t *ret_us, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_message_stmts[CLOCK], NULL, &r, fail);

	if (e == OK)
		*ret_us = db_time(r, 0, 0);
	return e;
}

/* Where the next page begins, if there is one. */
static void read_place(const struct db_rows *r, int64_t limit, struct arena *a,
		       struct store_message_key *ret)
{
	size_t n = db_rows_count(r);

	*ret = (struct store_message_key){ 0 };
	if (n && db_int(r, n - 1, 0) == limit) {
		ret->created_us = db_time(r, n - 1, 1);
		ret->id = db_text(r, n - 1, 2, a);
	}
}

enum err store_message_recent(struct db *db, int64_t window_ms, int64_t limit, struct arena *a,
			      struct store_message_key *place, struct store_message_recent **ret,
			      size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;
	size_t n = 0;

	db_arg_int(&args, window_ms);
	db_arg_time(&args, place->id.n ? place->created_us : END_OF_TIME_US);
	db_arg_text(&args, place->id);
	db_arg_int(&args, limit);
	e = db_query(db, &store_message_stmts[RECENT], &args, &r, fail);
	if (e)
		return e;
	*ret = arena_calloc(a, db_rows_count(r), sizeof(**ret));
	for (size_t i = 0; i < db_rows_count(r); i++)
		if (!db_is_null(r, i, 3))
			(*ret)[n++] =
				(struct store_message_recent){ .agent = db_text(r, i, 3, a),
							       .id = db_text(r, i, 4, a),
							       .created_us = db_time(r, i, 5) };
	*ret_n = n;
	read_place(r, limit, a, place);
	return OK;
}
