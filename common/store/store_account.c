/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting accounts. What goes and in which order is said by the functions of the
 * database; no role of a daemon could do it by statements of its own.
 */
#include "common/store/store_account.h"

#include "common/store/store_domain.h"
#include "common/store/store_event.h"
#include "common/store/store_retired.h"
#include "common/store/store_user.h"

enum { BEGIN, DELETE };

const struct db_stmt store_account_stmts[] = {
	/* One at a time, and a large account takes longer than other statements may. */
	[BEGIN] = { "account_begin",
		    "SELECT pg_try_advisory_xact_lock(hashtextextended('delete_account ' || $1, 0)), "
		    "set_config('statement_timeout', '10min', true)",
		    false },
	[DELETE] = { "account_delete",
		     "SELECT usage_events_n, usage_summaries_n, messages_n, agents_n, domains_n, "
		     "api_keys_n, sessions_n FROM delete_account($1, $2, $3::bytea, $4)",
		     true },
	{ 0 },
};

struct deletion {
	const struct store_account *account;
	int64_t retention_ms;
	struct store_account_deleted *ret;
};

static enum err begin(struct db *db, struct slice user_id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_account_stmts[BEGIN], &args, &r, fail);
	if (e)
		return e;
	if (!db_bool(r, 0, 0))
		return fail_set(fail, ERR_STORAGE, "the account is being deleted");
	return store_user_lock(db, user_id, fail);
}

void store_account_arg(struct db_args *args, const struct store_account *account)
{
	db_arg_text_or_null(args, account->key_id);
	db_arg_bytes(args, account->session_hash);
}

static enum err delete_all(struct db *db, const struct deletion *d, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, d->account->user_id);
	store_account_arg(&args, d->account);
	db_arg_text(&args, slice_str(event_reason_name(EVENT_ACCOUNT_DELETED)));
	e = db_query(db, &store_account_stmts[DELETE], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_UNAUTHORIZED, "no such account, or no good credential");
	*d->ret = (struct store_account_deleted){
		.usage_events = db_int(r, 0, 0),
		.usage_summaries = db_int(r, 0, 1),
		.messages = db_int(r, 0, 2),
		.agents = db_int(r, 0, 3),
		.domains = db_int(r, 0, 4),
		.api_keys = db_int(r, 0, 5),
		.sessions = db_int(r, 0, 6),
	};
	return OK;
}

static enum err run(struct db *db, void *arg, struct fail *fail)
{
	const struct deletion *d = arg;
	enum err e = begin(db, d->account->user_id, fail);

	if (e == OK)
		e = store_retired_add_all(db, d->account->user_id, d->retention_ms, fail);
	if (e == OK)
		e = delete_all(db, d, fail);
	return e ? e : store_domain_announce(db, fail);
}

enum err store_account_delete(struct db *db, const struct store_account *account,
			      int64_t address_retention_ms, struct store_account_deleted *ret,
			      struct fail *fail)
{
	struct store_account_deleted deleted;
	struct deletion d = { account, address_retention_ms, &deleted };
	enum err e = db_tx(db, run, &d, fail);

	if (e == OK)
		*ret = deleted;
	return e;
}
