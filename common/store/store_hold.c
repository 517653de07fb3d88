/* SPDX-License-Identifier: Apache-2.0 */
/* Held mail, piece by piece. Nothing of it is shown when it is held no more. */
#include "common/store/store_hold.h"

/* $1 user, $2 message */
#define HELD                                                                                       \
	"FROM messages m JOIN outbound_drafts d ON d.message_id = m.id "                           \
	"WHERE m.user_id = $1 AND m.direction = 'outbound' AND m.status = 'pending_approval' "     \
	"AND m.id = $2"
/* $3 offset from 1, $4 bytes */
#define PIECE_OF(bytes) "substring(" bytes " from $3::bigint::int for $4::bigint::int)"

/* With a byte more for each end of a line. */
#define LINE_BYTES(text)                                                                           \
	"octet_length(replace(replace(" text ", E'\\r', E'\\r\\r'), E'\\n', E'\\n\\n'))"

enum { FIND, LINES, FILES, TEXT, HTML, FILE_DATA };

const struct db_stmt store_hold_stmts[] = {
	[FIND] = { "hold_find", "SELECT octet_length(d.body_text), octet_length(d.body_html) " HELD,
		   false },
	[LINES] = { "hold_lines",
		    "SELECT " LINE_BYTES("d.body_text") ", " LINE_BYTES("d.body_html") " " HELD,
		    false },
	[FILES] = { "hold_files",
		    "SELECT f.filename, f.content_type, octet_length(f.data) "
		    "FROM outbound_attachments f WHERE f.message_id = (SELECT m.id " HELD ") "
		    "ORDER BY f.n",
		    false },
	[TEXT] = { "hold_text", "SELECT " PIECE_OF("convert_to(d.body_text, 'UTF8')") " " HELD,
		   false },
	[HTML] = { "hold_html", "SELECT " PIECE_OF("convert_to(d.body_html, 'UTF8')") " " HELD,
		   false },
	/* $5 number */
	[FILE_DATA] = { "hold_file",
			"SELECT " PIECE_OF("f.data") " FROM outbound_attachments f "
						     "WHERE f.message_id = (SELECT m.id " HELD
						     ") AND f.n = $5::bigint",
			false },
	{ 0 },
};

static const int part_stmts[] = {
	[STORE_HOLD_TEXT] = TEXT,
	[STORE_HOLD_HTML] = HTML,
	[STORE_HOLD_FILE] = FILE_DATA,
};

static enum err gone(struct fail *fail)
{
	return fail_set(fail, ERR_NOT_FOUND, "no such mail is held");
}

static void arg_message(struct db_args *args, struct slice user_id, struct slice id)
{
	db_arg_text(args, user_id);
	db_arg_text(args, id);
}

static enum err find_files(struct db *db, struct slice user_id, struct slice id, struct arena *a,
			   struct store_hold *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_message(&args, user_id, id);
	e = db_query(db, &store_hold_stmts[FILES], &args, &r, fail);
	if (e)
		return e;
	ret->files_n = db_rows_count(r);
	ret->files = arena_calloc(a, ret->files_n, sizeof(*ret->files));
	for (size_t i = 0; i < ret->files_n; i++)
		ret->files[i] = (struct store_hold_file){
			.filename = db_text(r, i, 0, a),
			.content_type = db_text(r, i, 1, a),
			.size = db_int(r, i, 2),
		};
	return OK;
}

enum err store_hold_find(struct db *db, struct slice user_id, struct slice id, struct arena *a,
			 struct store_hold *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct store_hold hold;
	enum err e;

	arg_message(&args, user_id, id);
	e = db_query(db, &store_hold_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return gone(fail);
	hold = (struct store_hold){ .text_bytes = db_int(r, 0, 0), .html_bytes = db_int(r, 0, 1) };
	e = find_files(db, user_id, id, a, &hold, fail);
	if (e == OK)
		*ret = hold;
	return e;
}

enum err store_hold_line_bytes(struct db *db, struct slice user_id, struct slice id,
			       int64_t *ret_text, int64_t *ret_html, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_message(&args, user_id, id);
	e = db_query(db, &store_hold_stmts[LINES], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return gone(fail);
	*ret_text = db_int(r, 0, 0);
	*ret_html = db_int(r, 0, 1);
	return OK;
}

enum err store_hold_read(struct db *db, struct slice user_id, struct slice id,
			 const struct store_hold_place *at, int64_t n, struct buf *ret,
			 struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_message(&args, user_id, id);
	db_arg_int(&args, at->offset + 1); /* SQL counts from 1 */
	db_arg_int(&args, n);
	if (at->part == STORE_HOLD_FILE)
		db_arg_int(&args, (int64_t)at->file + 1);
	e = db_query(db, &store_hold_stmts[part_stmts[at->part]], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0 || (int64_t)db_slice(r, 0, 0).n != n)
		return gone(fail);
	buf_add_slice(ret, db_slice(r, 0, 0));
	return buf_check(ret);
}
