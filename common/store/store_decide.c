/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions. Nothing here writes a row itself: who may decide is not for a caller to say. */
#include "common/store/store_decide.h"

enum { EDIT, KEEP, APPROVE, REJECT, EXPIRE };

const struct db_stmt store_decide_stmts[] = {
	[EDIT] = { "decide_edit",
		   "SELECT edit_hold($1, $2, $3, $4::bytea, $5, $6, $7, $8::text[], $9::text[], "
		   "$10::text[], $11::text[], $12::boolean)",
		   true },
	[KEEP] = { "decide_edit_keep", "SELECT keep_attachments($1, $2::bigint[]::integer[])",
		   true },
	[APPROVE] = { "decide_approve",
		      "SELECT approve_hold($1, $2, $3, $4::bytea, $5::bytea, $6::boolean, "
		      "$7, $8::boolean)",
		      true },
	[REJECT] = { "decide_reject",
		     "SELECT reject_hold($1, $2, $3, $4::bytea, $5::bytea, $6::boolean, $7)",
		     true },
	[EXPIRE] = { "decide_expire",
		     "SELECT e.message, e.new_status, e.why FROM expire_holds($1, $2, $3) e",
		     true },
	{ 0 },
};

static const struct {
	struct slice word;
	enum store_decision is;
} outcomes[] = {
	{ SLICE_INIT("ok"), STORE_DECIDED },
	{ SLICE_INIT("not_found"), STORE_DECIDE_ABSENT },
	{ SLICE_INIT("resolved"), STORE_DECIDE_RESOLVED },
	{ SLICE_INIT("unauthorized"), STORE_DECIDE_UNAUTHORIZED },
	{ SLICE_INIT("changed"), STORE_DECIDE_CHANGED },
	{ SLICE_INIT("unverified"), STORE_DECIDE_UNVERIFIED },
	{ SLICE_INIT("suppressed"), STORE_DECIDE_SUPPRESSED },
};

static enum err ask(struct db *db, int stmt, struct db_args *args, enum store_decision *ret,
		    struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_decide_stmts[stmt], args, &r, fail);

	if (e)
		return e;
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (slice_eq(db_slice(r, 0, 0), outcomes[i].word)) {
			*ret = outcomes[i].is;
			return OK;
		}
	return fail_set(fail, ERR_INTERNAL, "an outcome that nobody knows");
}

static void arg_hold(struct db_args *args, const struct store_decider *by, struct slice message_id)
{
	db_arg_text(args, message_id);
	db_arg_text(args, by->account.user_id);
	store_account_arg(args, &by->account);
}

/* ---- edits ---- */

static void arg_text(struct db_args *args, bool given, struct slice s)
{
	if (given)
		db_arg_text(args, s);
	else
		db_arg_null(args);
}

static void arg_texts(struct db_args *args, bool given, const struct store_submit_texts *t)
{
	if (given)
		db_arg_texts(args, t->v, t->n);
	else
		db_arg_null(args);
}

static enum err keep(struct db *db, struct slice message_id, const struct store_hold_edit *edit,
		     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	int64_t *places = mem_calloc(edit->kept_n, sizeof(*places));
	enum err e;

	for (size_t i = 0; i < edit->kept_n; i++)
		places[i] = edit->kept[i] + 1; /* SQL counts from 1 */
	db_arg_text(&args, message_id);
	db_arg_ints(&args, places, edit->kept_n);
	e = db_query(db, &store_decide_stmts[KEEP], &args, NULL, fail);
	free(places);
	return e;
}

/* Behind those that are kept, whose numbers stay. */
static enum err attach(struct db *db, struct slice message_id, const struct store_hold_edit *edit,
		       struct fail *fail)
{
	const size_t from = edit->kept_n ? edit->files_n : 0;
	enum err e = edit->kept_n ? keep(db, message_id, edit, fail) : OK;

	for (size_t i = 0; e == OK && i < edit->attachments_n; i++)
		e = store_submit_attach(db, message_id, &edit->attachments[i], from + i, fail);
	return e;
}

enum err store_decide_edit(struct db *db, const struct store_decider *by, struct slice message_id,
			   const struct store_hold_edit *edit, enum store_decision *ret,
			   struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	enum store_decision is;
	enum err e;

	arg_hold(&args, by, message_id);
	arg_text(&args, edit->has_subject, edit->subject);
	arg_text(&args, edit->has_text, edit->text);
	arg_text(&args, edit->has_html, edit->html);
	arg_texts(&args, edit->has_recipients, &edit->to);
	arg_texts(&args, edit->has_recipients, &edit->cc);
	arg_texts(&args, edit->has_recipients, &edit->bcc);
	arg_texts(&args, edit->has_recipients, &edit->folded);
	db_arg_bool(&args, edit->has_attachments && edit->kept_n == 0);
	e = ask(db, EDIT, &args, &is, fail);
	if (e == OK && is == STORE_DECIDED)
		e = attach(db, message_id, edit, fail);
	if (e == OK)
		*ret = is;
	return e;
}

/* ---- the decision ---- */

enum err store_decide_approve(struct db *db, const struct store_decider *by,
			      struct slice message_id, int64_t lifetime_ms, bool count_usage,
			      enum store_decision *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	arg_hold(&args, by, message_id);
	db_arg_bytes(&args, by->token_hash);
	db_arg_bool(&args, by->by_reply);
	db_arg_int(&args, lifetime_ms);
	db_arg_bool(&args, count_usage);
	return ask(db, APPROVE, &args, ret, fail);
}

enum err store_decide_reject(struct db *db, const struct store_decider *by, struct slice message_id,
			     struct slice reason, enum store_decision *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	arg_hold(&args, by, message_id);
	db_arg_bytes(&args, by->token_hash);
	db_arg_bool(&args, by->by_reply);
	db_arg_text(&args, reason);
	return ask(db, REJECT, &args, ret, fail);
}

enum err store_decide_expire(struct db *db, int64_t limit, int64_t lifetime_ms, bool count_usage,
			     struct arena *a, struct store_expired **ret, size_t *ret_n,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_int(&args, limit);
	db_arg_int(&args, lifetime_ms);
	db_arg_bool(&args, count_usage);
	e = db_query(db, &store_decide_stmts[EXPIRE], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct store_expired){ db_text(r, i, 0, a), db_text(r, i, 1, a),
						    db_text(r, i, 2, a) };
	return OK;
}
