/* SPDX-License-Identifier: Apache-2.0 */
/* Statements of reviewers. Nothing here writes a row itself: neither side's word is enough. */
#include "common/store/store_reviewer.h"

#include "common/base/ids.h"

#define LIVE "(r.confirmed_at IS NOT NULL OR r.link_expires_at > clock_timestamp())"
#define COLUMNS                                                                                    \
	"r.id, r.agent_email, r.address, "                                                         \
	"CASE WHEN r.state = 'pending' AND NOT " LIVE " THEN 'expired' ELSE r.state END, "         \
	"r.full_text, r.by_reply, r.created_at, r.link_expires_at, r.confirmed_at"

enum { N_COLUMNS = 9 };
enum { NAME, FIND, LIST, REMOVE, FIND_LINK, ACCEPT, DECLINE };

const struct db_stmt store_reviewer_stmts[] = {
	[NAME] = { "reviewer_name",
		   "SELECT n.outcome, n.made, n.mailed FROM name_reviewer($1, $2, $3, $4::bytea, "
		   "$5, $6, $7, $8::bytea, $9::boolean, $10::bigint, $11::bigint) n",
		   true },
	/* $1 agent, $2 folded address */
	[FIND] = { "reviewer_find",
		   "SELECT " COLUMNS " FROM reviewers r WHERE r.agent_email = $1 AND r.folded = $2",
		   false },
	[LIST] = { "reviewer_list",
		   "SELECT " COLUMNS
		   " FROM reviewers r WHERE r.user_id = $1 AND r.agent_email = $2 "
		   "ORDER BY r.created_at DESC, r.id DESC",
		   false },
	[REMOVE] = { "reviewer_remove", "SELECT remove_reviewer($1, $2, $3, $4::bytea, $5)", true },
	[FIND_LINK] = { "reviewer_find_link",
			"SELECT " COLUMNS ", u.id, u.name, u.email, " LIVE
			" FROM reviewers r JOIN users u ON u.id = r.user_id WHERE r.link_hash = $1",
			false },
	[ACCEPT] = { "reviewer_accept", "SELECT accept_review($1::bytea, $2::boolean, $3::boolean)",
		     true },
	[DECLINE] = { "reviewer_decline", "SELECT decline_review($1::bytea)", true },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t row, struct arena *a,
		     struct store_reviewer *ret)
{
	*ret = (struct store_reviewer){
		.id = db_text(r, row, 0, a),
		.agent = db_text(r, row, 1, a),
		.address = db_text(r, row, 2, a),
		.state = db_text(r, row, 3, a),
		.full_text = db_bool(r, row, 4),
		.by_reply = db_bool(r, row, 5),
		.created_us = db_time(r, row, 6),
		.link_expires_us = db_time(r, row, 7),
		.confirmed_us = db_time(r, row, 8),
	};
}

static void arg_hash(struct db_args *args, const uint8_t hash[SHA256_LEN])
{
	db_arg_bytes(args, slice_of((const char *)hash, SHA256_LEN));
}

/* ---- the account ---- */

static const struct {
	struct slice word;
	enum err code;
	const char *what;
} outcomes[] = {
	{ SLICE_INIT("ok"), OK, NULL },
	{ SLICE_INIT("unauthorized"), ERR_UNAUTHORIZED, "credential is not good" },
	{ SLICE_INIT("not_found"), ERR_NOT_FOUND, "the user has no such agent or reviewer" },
	{ SLICE_INIT("full"), ERR_TOO_BIG, "the agent has as many as may be" },
};

static enum err read_outcome(struct slice word, struct fail *fail)
{
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (slice_eq(word, outcomes[i].word))
			return outcomes[i].code
				       ? fail_set(fail, outcomes[i].code, "%s", outcomes[i].what)
				       : OK;
	return fail_set(fail, ERR_INTERNAL, "an outcome that nobody knows");
}

static enum err name(struct db *db, const struct store_reviewer_ask *ask,
		     struct store_reviewer_asked *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	char id[ID_MAX];
	enum err e;

	id_new(ID_PREFIX_REVIEWER, id);
	db_arg_text(&args, ask->account.user_id);
	db_arg_text(&args, ask->agent);
	store_account_arg(&args, &ask->account);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, ask->address);
	db_arg_text(&args, ask->folded);
	arg_hash(&args, ask->link_hash);
	db_arg_bool(&args, ask->mailed);
	db_arg_int(&args, ask->lifetime_ms);
	db_arg_int(&args, ask->most);
	e = db_query(db, &store_reviewer_stmts[NAME], &args, &r, fail);
	if (e == OK)
		e = read_outcome(db_slice(r, 0, 0), fail);
	if (e)
		return e;
	ret->made = db_bool(r, 0, 1);
	ret->mailed = db_bool(r, 0, 2);
	return OK;
}

enum err store_reviewer_ask(struct db *db, const struct store_reviewer_ask *ask, struct arena *a,
			    struct store_reviewer_asked *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct store_reviewer_asked asked;
	enum err e = name(db, ask, &asked, fail);

	if (e)
		return e;
	db_arg_text(&args, ask->agent);
	db_arg_text(&args, ask->folded);
	e = db_query(db, &store_reviewer_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "removed meanwhile");
	read_row(r, 0, a, &asked.is);
	*ret = asked;
	return OK;
}

enum err store_reviewer_list(struct db *db, struct slice user_id, struct slice agent,
			     struct arena *a, struct store_reviewer **ret, size_t *ret_n,
			     struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent);
	e = db_query(db, &store_reviewer_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_row(r, i, a, &(*ret)[i]);
	return OK;
}

enum err store_reviewer_remove(struct db *db, const struct store_account *account,
			       struct slice agent, struct slice id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, account->user_id);
	db_arg_text(&args, agent);
	store_account_arg(&args, account);
	db_arg_text(&args, id);
	e = db_query(db, &store_reviewer_stmts[REMOVE], &args, &r, fail);
	return e ? e : read_outcome(db_slice(r, 0, 0), fail);
}

/* ---- the human ---- */

enum err store_reviewer_find(struct db *db, const uint8_t link_hash[SHA256_LEN], struct arena *a,
			     struct store_reviewer_link *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_hash(&args, link_hash);
	e = db_query(db, &store_reviewer_stmts[FIND_LINK], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no reviewer has this link");
	read_row(r, 0, a, &ret->is);
	ret->user_id = db_text(r, 0, N_COLUMNS, a);
	ret->user_name = db_text(r, 0, N_COLUMNS + 1, a);
	ret->user_email = db_text(r, 0, N_COLUMNS + 2, a);
	ret->live = db_bool(r, 0, N_COLUMNS + 3);
	return OK;
}

static const struct slice answers[] = {
	[STORE_REVIEWER_USELESS] = SLICE_INIT(""),
	[STORE_REVIEWER_ACCEPTED] = SLICE_INIT("accepted"),
	[STORE_REVIEWER_SAVED] = SLICE_INIT("saved"),
	[STORE_REVIEWER_DECLINED] = SLICE_INIT("declined"),
	[STORE_REVIEWER_LEFT] = SLICE_INIT("left"),
};

static enum err answer(struct db *db, int stmt, struct db_args *args,
		       enum store_reviewer_answer *ret, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_reviewer_stmts[stmt], args, &r, fail);

	if (e)
		return e;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		if (slice_eq(db_slice(r, 0, 0), answers[i])) {
			*ret = (enum store_reviewer_answer)i;
			return OK;
		}
	return fail_set(fail, ERR_INTERNAL, "an answer that nobody knows");
}

enum err store_reviewer_accept(struct db *db, const uint8_t link_hash[SHA256_LEN], bool full_text,
			       bool by_reply, enum store_reviewer_answer *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	arg_hash(&args, link_hash);
	db_arg_bool(&args, full_text);
	db_arg_bool(&args, by_reply);
	return answer(db, ACCEPT, &args, ret, fail);
}

enum err store_reviewer_decline(struct db *db, const uint8_t link_hash[SHA256_LEN],
				enum store_reviewer_answer *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	arg_hash(&args, link_hash);
	return answer(db, DECLINE, &args, ret, fail);
}
