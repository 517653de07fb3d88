/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading mail that agents wrote. The guards are in the statements; nothing here finds a
 * message, or a recipient of one, by an id alone.
 */
#include "common/store/store_sent.h"

/* As the condition of messages_sent_idx has it. */
#define LEFT "m.status IN ('sent', 'expired_approved')"
#define COLUMNS                                                                                    \
	"m.id, m.created_at, m.agent_email, m.subject, m.type, m.conversation_id, "                \
	"m.to_addresses, m.cc_addresses, m.bcc_addresses, m.status, m.approval_expires_at, "       \
	"m.hold_reason, m.in_reply_to, m.email_message_id, m.edited, m.reviewed_at, "              \
	"m.rejection_reason, m.reviewed_by, m.review_channel, " LEFT
#define OF_USER "m.user_id = $1 AND m.direction = 'outbound'"
#define OF_AGENT OF_USER " AND m.agent_email = $2 AND " LEFT " AND m.expires_at > now()"

enum { FIND, FIND_OWN, FIND_ANSWERED, LIST, LIST_HELD, RECIPIENTS };

const struct db_stmt store_sent_stmts[] = {
	[FIND] = { "sent_find",
		   "SELECT " COLUMNS " FROM messages m WHERE " OF_USER " AND m.id = $2 "
		   "AND (m.expires_at > now() OR m.status = 'pending_approval')",
		   false },
	[FIND_OWN] = { "sent_find_own",
		       "SELECT " COLUMNS " FROM messages m WHERE " OF_AGENT " AND m.id = $3",
		       false },
	/* a mailbox may be large, and nothing finds mail by its Message-ID alone */
	[FIND_ANSWERED] = { "sent_find_answered",
			    "SELECT i.id FROM messages m CROSS JOIN LATERAL ("
			    "SELECT p.id, p.email_message_id, p.created_at FROM messages p "
			    "WHERE p.agent_email = m.agent_email AND p.direction = 'inbound' "
			    "AND p.created_at <= m.created_at AND p.expires_at > now() "
			    "ORDER BY p.created_at DESC, p.id DESC LIMIT 5000) i "
			    "WHERE " OF_USER " AND m.id = $2 AND m.in_reply_to <> '' "
			    "AND i.email_message_id = m.in_reply_to "
			    "ORDER BY i.created_at DESC, i.id DESC LIMIT 1",
			    false },
	/* $3 $4 where to go on, $5 rows */
	[LIST] = { "sent_list",
		   "SELECT " COLUMNS " FROM messages m WHERE " OF_AGENT
		   " AND (m.created_at, m.id) < ($3, $4) "
		   "ORDER BY m.created_at DESC, m.id DESC LIMIT $5::bigint",
		   false },
	/* $2 $3 where to go on, $4 rows; as messages_held_idx has it */
	[LIST_HELD] = { "sent_list_held",
			"SELECT " COLUMNS " FROM messages m WHERE " OF_USER
			" AND m.status = 'pending_approval' "
			"AND (m.approval_expires_at, m.id) > ($2, $3) "
			"ORDER BY m.approval_expires_at, m.id LIMIT $4::bigint",
			false },
	/* $2 messages */
	[RECIPIENTS] = { "sent_recipients",
			 "SELECT r.message_id, r.address, r.kind, r.status, r.code, r.detail, "
			 "r.updated_at FROM outbound_recipients r "
			 "JOIN messages m ON m.id = r.message_id "
			 "WHERE " OF_USER " AND " LEFT " AND m.id = ANY ($2::text[]) "
			 "ORDER BY r.message_id, r.n",
			 false },
	{ 0 },
};

static void read_message(const struct db_rows *r, size_t row, struct arena *a,
			 struct store_sent *ret)
{
	*ret = (struct store_sent){
		.id = db_text(r, row, 0, a),
		.created_us = db_time(r, row, 1),
		.agent = db_text(r, row, 2, a),
		.subject = db_text(r, row, 3, a),
		.type = db_text(r, row, 4, a),
		.conversation_id = db_text(r, row, 5, a),
		.status = db_text(r, row, 9, a),
		.held = slice_eq(db_slice(r, row, 9), S("pending_approval")),
		.approval_expires_us = db_time(r, row, 10),
		.hold_reason = db_text(r, row, 11, a),
		.in_reply_to = db_text(r, row, 12, a),
		.message_id = db_text(r, row, 13, a),
		.edited = db_bool(r, row, 14),
		.reviewed_us = db_time(r, row, 15),
		.rejection_reason = db_text(r, row, 16, a),
		.reviewed_by = db_text(r, row, 17, a),
		.review_channel = db_text(r, row, 18, a),
		.left = db_bool(r, row, 19),
	};
	db_texts(r, row, 6, a, &ret->to, &ret->to_n);
	db_texts(r, row, 7, a, &ret->cc, &ret->cc_n);
	db_texts(r, row, 8, a, &ret->bcc, &ret->bcc_n);
}

static void read_recipient(const struct db_rows *r, size_t row, struct arena *a,
			   struct store_sent_recipient *ret)
{
	*ret = (struct store_sent_recipient){
		.address = db_text(r, row, 1, a),
		.kind = db_text(r, row, 2, a),
		.status = db_text(r, row, 3, a),
		.code = db_text(r, row, 4, a),
		.detail = db_text(r, row, 5, a),
		.updated_us = db_time(r, row, 6),
	};
}

/* Rows of one message follow each other. */
static void give_recipients(const struct db_rows *r, struct arena *a, struct store_sent *v,
			    size_t n)
{
	const size_t rows_n = db_rows_count(r);
	struct store_sent_recipient *rcpts = arena_calloc(a, rows_n, sizeof(*rcpts));
	struct store_sent *m = NULL;

	for (size_t row = 0; row < rows_n; row++) {
		struct slice id = db_slice(r, row, 0);

		for (size_t i = 0; i < n && !(m && slice_eq(m->id, id)); i++)
			m = &v[i];
		if (m->recipients_n++ == 0)
			m->recipients = &rcpts[row];
		read_recipient(r, row, a, &rcpts[row]);
	}
}

static enum err find_recipients(struct db *db, struct slice user_id, struct arena *a,
				struct store_sent *v, size_t n, struct fail *fail)
{
	struct slice *ids = arena_calloc(a, n, sizeof(*ids));
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	for (size_t i = 0; i < n; i++)
		ids[i] = v[i].id;
	db_arg_text(&args, user_id);
	db_arg_texts(&args, ids, n);
	e = db_query(db, &store_sent_stmts[RECIPIENTS], &args, &r, fail);
	if (e == OK)
		give_recipients(r, a, v, n);
	return e;
}

/* At most `limit` of what the statement finds, with their recipients. */
static enum err find(struct db *db, int stmt, struct db_args *args, struct slice user_id,
		     int64_t limit, struct arena *a, struct store_sent **ret, size_t *ret_n,
		     bool *ret_more, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_sent_stmts[stmt], args, &r, fail);
	struct store_sent *v;
	bool more;
	size_t n;

	if (e)
		return e;
	n = db_rows_count(r);
	more = n > (size_t)limit;
	n = more ? (size_t)limit : n;
	v = arena_calloc(a, n, sizeof(*v));
	for (size_t i = 0; i < n; i++)
		read_message(r, i, a, &v[i]);
	if (n)
		e = find_recipients(db, user_id, a, v, n, fail);
	if (e)
		return e;
	*ret = v;
	*ret_n = n;
	*ret_more = more;
	return OK;
}

static enum err find_one(struct db *db, int stmt, struct db_args *args, struct slice user_id,
			 struct arena *a, struct store_sent *ret, struct fail *fail)
{
	struct store_sent *v;
	bool more;
	size_t n;
	enum err e = find(db, stmt, args, user_id, 1, a, &v, &n, &more, fail);

	if (e == OK && n == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such message");
	if (e == OK)
		*ret = *v;
	return e;
}

enum err store_sent_find(struct db *db, struct slice user_id, struct slice id, struct arena *a,
			 struct store_sent *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, id);
	return find_one(db, FIND, &args, user_id, a, ret, fail);
}

enum err store_sent_find_answered(struct db *db, struct slice user_id, struct slice id,
				  struct arena *a, struct slice *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, id);
	e = db_query(db, &store_sent_stmts[FIND_ANSWERED], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "it answers nothing that is there");
	*ret = db_text(r, 0, 0, a);
	return OK;
}

enum err store_sent_find_own(struct db *db, struct slice user_id, struct slice agent,
			     struct slice id, struct arena *a, struct store_sent *ret,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent);
	db_arg_text(&args, id);
	return find_one(db, FIND_OWN, &args, user_id, a, ret, fail);
}

enum err store_sent_list(struct db *db, const struct store_sent_page *page, struct arena *a,
			 struct store_sent **ret, size_t *ret_n, bool *ret_more, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, page->user_id);
	db_arg_text(&args, page->agent);
	db_arg_time(&args, page->before_id.n ? page->before_us : INT64_MAX);
	db_arg_text(&args, page->before_id);
	db_arg_int(&args, page->limit + 1);
	return find(db, LIST, &args, page->user_id, page->limit, a, ret, ret_n, ret_more, fail);
}

enum err store_sent_list_held(struct db *db, struct slice user_id,
			      const struct store_sent_held_key *after, int64_t limit,
			      struct arena *a, struct store_sent **ret, size_t *ret_n,
			      bool *ret_more, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_time(&args, after->expires_us);
	db_arg_text(&args, after->id);
	db_arg_int(&args, limit + 1);
	return find(db, LIST_HELD, &args, user_id, limit, a, ret, ret_n, ret_more, fail);
}
