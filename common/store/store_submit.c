/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting mail. Nothing here writes a row itself: whether mail is held is not for a caller to
 * say. */
#include "common/store/store_submit.h"

#include <assert.h>

#define JOBS_CHANNEL "e2a_jobs"

enum { SUBMIT, ATTACH };

const struct db_stmt store_submit_stmts[] = {
	[SUBMIT] = { "submit",
		     "SELECT s.outcome = 'pending_approval', s.reason, s.expires "
		     "FROM submit_outbound($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
		     "$14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24) s",
		     true },
	[ATTACH] = { "submit_attach", "SELECT attach_outbound($1, $2::bigint::integer, $3, $4, $5)",
		     true },
	{ 0 },
};

static void arg_texts(struct db_args *args, const struct store_submit_texts *t)
{
	db_arg_texts(args, t->v, t->n);
}

static int64_t attached_bytes(const struct store_submission *s)
{
	size_t bytes = 0;

	for (size_t i = 0; i < s->attachments_n; i++)
		bytes += s->attachments[i].data.n;
	return (int64_t)bytes;
}

/* In the order of the function's parameters. */
static void arg_submission(struct db_args *args, const struct store_submission *s)
{
	const struct slice texts[] = { s->id,         s->user_id, s->agent, s->kind, s->author,
				       s->message_id, s->subject, s->text,  s->html };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		db_arg_text(args, texts[i]);
	arg_texts(args, &s->to);
	arg_texts(args, &s->cc);
	arg_texts(args, &s->bcc);
	arg_texts(args, &s->folded);
	db_arg_text(args, s->conversation_id);
	db_arg_text(args, s->in_reply_to);
	arg_texts(args, &s->references);
	db_arg_text(args, s->auto_submitted);
	db_arg_int(args, attached_bytes(s));
	db_arg_text(args, s->thread);
	db_arg_int(args, s->reply_budget);
	db_arg_int(args, s->reply_budget_window_ms);
	db_arg_int(args, s->retention_ms);
	db_arg_int(args, s->lifetime_ms);
	db_arg_bool(args, s->count_usage);
}

enum err store_submit_attach(struct db *db, struct slice message_id,
			     const struct store_attachment *at, size_t place, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, message_id);
	db_arg_int(&args, (int64_t)place + 1);
	db_arg_text(&args, at->filename);
	db_arg_text(&args, at->content_type);
	db_arg_bytes(&args, at->data);
	return db_query(db, &store_submit_stmts[ATTACH], &args, NULL, fail);
}

enum err store_submit(struct db *db, const struct store_submission *s, struct arena *a,
		      struct store_submitted *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct store_submitted submitted;
	enum err e;

	assert(s->folded.n == s->to.n + s->cc.n + s->bcc.n);
	arg_submission(&args, s);
	e = db_query(db, &store_submit_stmts[SUBMIT], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such agent on a verified domain");
	submitted = (struct store_submitted){
		.held = db_bool(r, 0, 0),
		.hold_reason = db_text(r, 0, 1, a),
		.expires_us = db_time(r, 0, 2),
	};
	for (size_t i = 0; e == OK && i < s->attachments_n; i++)
		e = store_submit_attach(db, s->id, &s->attachments[i], i, fail);
	if (e == OK)
		*ret = submitted;
	return e;
}

enum err store_submit_announce(struct db *db, struct fail *fail)
{
	return db_notify(db, JOBS_CHANNEL, S(""), fail);
}
