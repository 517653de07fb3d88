/* SPDX-License-Identifier: Apache-2.0 */
/* Feedback. The account's address stands in for one that was not given. */
#include "common/store/store_feedback.h"

enum { ADD };

const struct db_stmt store_feedback_stmts[] = {
	/* $1 id, $2 user, $3 e-mail, $4 category, $5 message */
	[ADD] = { "feedback_add",
		  "INSERT INTO feedback (id, user_id, email, category, message) "
		  "SELECT $1, $2, coalesce(nullif($3, ''), "
		  "(SELECT u.email FROM users u WHERE u.id = $2), ''), $4, $5 RETURNING email",
		  true },
	{ 0 },
};

enum err store_feedback_add(struct db *db, const struct store_feedback *f, struct arena *a,
			    struct slice *ret_email, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, f->id);
	db_arg_text_or_null(&args, f->user_id);
	db_arg_text(&args, f->email);
	db_arg_text(&args, f->category);
	db_arg_text(&args, f->message);
	e = db_query(db, &store_feedback_stmts[ADD], &args, &r, fail);
	if (e == OK)
		*ret_email = db_text(r, 0, 0, a);
	return e;
}
