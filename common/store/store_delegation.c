/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of delegations. A state changes in one statement that says which state it
 * changes from: nothing that was read before decides.
 */
#include "common/store/store_delegation.h"

#include "common/base/ids.h"
#include "common/store/store_user.h"

#define LIVE "d.link_expires_at > clock_timestamp()"
#define COLUMNS                                                                                    \
	"d.id, d.agent_email, d.human_email, "                                                     \
	"CASE WHEN d.state = 'pending' AND NOT " LIVE " THEN 'expired' ELSE d.state END, "         \
	"d.created_at, d.link_expires_at, d.confirmed_at, d.revoked_at"
#define LINK_COLUMNS COLUMNS ", u.id, u.name, u.email"
#define OF_LINK "u.id = d.user_id AND d.link_hash = $1"
/* Agents could read mail to the human, as if they were the human. */
#define OURS                                                                                       \
	"EXISTS (SELECT FROM domains o WHERE o.verified "                                          \
	"AND o.domain = split_part(d.human_email, '@', 2))"
/* A human with any tag is the same human: as addr_without_tag() has it. */
#define UNTAGGED(address) "lower(regexp_replace(" address ", '^([^+@]+)[+][^@]*@', '\\1@'))"

enum { N_COLUMNS = 8 };
enum { OPEN, DECLINED, RENEW, ADD, LIST, REVOKE, FIND, CONFIRM, END };

const struct db_stmt store_delegation_stmts[] = {
	/* $1 agent, $2 human */
	[OPEN] = { "delegation_open",
		   "SELECT " COLUMNS " FROM delegations d WHERE d.agent_email = $1 "
		   "AND lower(d.human_email) = lower($2) AND d.state <> 'revoked' FOR UPDATE",
		   false },
	/* $1 user, $2 human */
	[DECLINED] = { "delegation_declined",
		       "SELECT EXISTS (SELECT FROM delegation_declines c WHERE c.user_id = $1 "
		       "AND c.human = " UNTAGGED("$2") ")",
		       false },
	/* $1 id, $2 hash, $3 mailed, $4 lifetime ms */
	[RENEW] = { "delegation_renew",
		    "UPDATE delegations d SET "
		    "link_hash = CASE WHEN $3::boolean THEN $2 ELSE d.link_hash END, "
		    "link_expires_at = clock_timestamp() + $4::bigint * interval '1 ms' "
		    "WHERE d.id = $1 AND d.state = 'pending' RETURNING " COLUMNS,
		    true },
	/* $1 id, $2 user, $3 agent, $4 human, $5 hash, $6 lifetime ms, $7 most */
	[ADD] = { "delegation_add",
		  "WITH room AS (SELECT count(*) < $7::bigint AS yes FROM delegations o "
		  "WHERE o.agent_email = $3 AND o.state <> 'revoked'), "
		  "made AS (INSERT INTO delegations AS d (id, user_id, agent_email, human_email, "
		  "link_hash, link_expires_at) SELECT $1, a.user_id, a.email, $4, $5, "
		  "clock_timestamp() + $6::bigint * interval '1 ms' FROM agents a, room "
		  "WHERE a.email = $3 AND a.user_id = $2 AND room.yes RETURNING " COLUMNS ") "
		  "SELECT made.*, room.yes FROM room LEFT JOIN made ON true",
		  true },
	/* $3 $4 where to go on, $5 rows */
	[LIST] = { "delegation_list",
		   "SELECT " COLUMNS " FROM delegations d WHERE d.user_id = $1 "
		   "AND d.agent_email = $2 AND (d.created_at, d.id) < ($3, $4) "
		   "ORDER BY d.created_at DESC, d.id DESC LIMIT $5::bigint",
		   false },
	/* $1 user, $2 agent, $3 id */
	[REVOKE] = { "delegation_revoke",
		     "WITH ended AS (UPDATE delegations d SET state = 'revoked', "
		     "revoked_at = clock_timestamp() WHERE d.user_id = $1 AND d.agent_email = $2 "
		     "AND d.id = $3 AND d.state <> 'revoked' RETURNING 1) "
		     "SELECT EXISTS (SELECT FROM ended) FROM delegations d "
		     "WHERE d.user_id = $1 AND d.agent_email = $2 AND d.id = $3",
		     true },
	[FIND] = { "delegation_find",
		   "SELECT " LINK_COLUMNS " FROM delegations d, users u WHERE " OF_LINK, false },
	[CONFIRM] = { "delegation_confirm",
		      "UPDATE delegations d SET state = 'active', "
		      "confirmed_at = clock_timestamp() FROM users u WHERE " OF_LINK
		      " AND d.state = 'pending' AND " LIVE " AND NOT " OURS
		      " RETURNING " LINK_COLUMNS,
		      true },
	[END] = { "delegation_end",
		  "WITH ended (id, agent, human, state, created_at, link_expires_at, confirmed_at, "
		  "revoked_at, user_id, user_name, user_email) AS ("
		  "UPDATE delegations d SET state = 'revoked', revoked_at = clock_timestamp() "
		  "FROM users u WHERE " OF_LINK " AND (d.state = 'active' "
		  "OR d.state = 'pending' AND " LIVE ") RETURNING " LINK_COLUMNS "), "
		  "declined AS (INSERT INTO delegation_declines (user_id, human) "
		  "SELECT e.user_id, " UNTAGGED(
			  "e.human") " FROM ended e "
				     "WHERE e.confirmed_at IS NULL ON CONFLICT DO NOTHING) "
				     "SELECT ended.* FROM ended",
		  true },
	{ 0 },
};

static void read_row(const struct db_rows *r, size_t row, struct arena *a,
		     struct store_delegation *ret)
{
	*ret = (struct store_delegation){
		.id = db_text(r, row, 0, a),
		.agent = db_text(r, row, 1, a),
		.human = db_text(r, row, 2, a),
		.state = db_text(r, row, 3, a),
		.created_us = db_time(r, row, 4),
		.link_expires_us = db_time(r, row, 5),
		.confirmed_us = db_time(r, row, 6),
		.revoked_us = db_time(r, row, 7),
	};
}

static void arg_hash(struct db_args *args, const uint8_t hash[SHA256_LEN])
{
	db_arg_bytes(args, slice_of((const char *)hash, SHA256_LEN));
}

/* ---- the account ---- */

/* ERR_NOT_FOUND when there is none that is not revoked. It stays as it is until the commit. */
static enum err find_open(struct db *db, const struct store_delegation_ask *ask, struct arena *a,
			  struct store_delegation *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, ask->agent);
	db_arg_text(&args, ask->human);
	e = db_query(db, &store_delegation_stmts[OPEN], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such delegation");
	read_row(r, 0, a, ret);
	return OK;
}

static enum err find_declined(struct db *db, const struct store_delegation_ask *ask, bool *ret,
			      struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, ask->user_id);
	db_arg_text(&args, ask->human);
	e = db_query(db, &store_delegation_stmts[DECLINED], &args, &r, fail);
	if (e == OK)
		*ret = db_bool(r, 0, 0);
	return e;
}

/* An active one is not touched. */
static enum err renew(struct db *db, const struct store_delegation_ask *ask, struct arena *a,
		      struct store_delegation *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, ret->id);
	arg_hash(&args, ask->link_hash);
	db_arg_bool(&args, ask->mailed);
	db_arg_int(&args, ask->lifetime_ms);
	e = db_query(db, &store_delegation_stmts[RENEW], &args, &r, fail);
	if (e == OK && db_rows_count(r))
		read_row(r, 0, a, ret);
	return e;
}

static enum err add(struct db *db, const struct store_delegation_ask *ask, struct arena *a,
		    struct store_delegation *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	char id[ID_MAX];
	enum err e;

	id_new(ID_PREFIX_DELEGATION, id);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, ask->user_id);
	db_arg_text(&args, ask->agent);
	db_arg_text(&args, ask->human);
	arg_hash(&args, ask->link_hash);
	db_arg_int(&args, ask->lifetime_ms);
	db_arg_int(&args, ask->most);
	e = db_query(db, &store_delegation_stmts[ADD], &args, &r, fail);
	if (e)
		return e;
	if (!db_bool(r, 0, N_COLUMNS))
		return fail_set(fail, ERR_TOO_BIG, "the agent has as many as may be");
	if (db_is_null(r, 0, 0))
		return fail_set(fail, ERR_NOT_FOUND, "the user has no such agent");
	read_row(r, 0, a, ret);
	return OK;
}

enum err store_delegation_ask(struct db *db, const struct store_delegation_ask *ask,
			      struct arena *a, struct store_delegation_asked *ret,
			      struct fail *fail)
{
	struct store_delegation_ask wanted = *ask;
	struct store_delegation d;
	bool made, declined;
	enum err e = store_user_lock(db, ask->user_id, fail);

	if (e)
		return e;
	e = find_open(db, ask, a, &d, fail);
	if (e && e != ERR_NOT_FOUND)
		return e;
	made = e == ERR_NOT_FOUND;
	/* Behind the lock of the row: whoever declined it meanwhile has done so. */
	e = find_declined(db, ask, &declined, fail);
	if (e)
		return e;
	wanted.mailed = ask->mailed && !declined;
	e = made ? add(db, &wanted, a, &d, fail) : renew(db, &wanted, a, &d, fail);
	if (e == OK)
		*ret = (struct store_delegation_asked){ d, made, wanted.mailed && !d.confirmed_us };
	return e;
}

enum err store_delegation_list(struct db *db, struct slice user_id, struct slice agent,
			       const struct store_delegation_key *after, int64_t limit,
			       struct arena *a, struct store_delegation **ret, size_t *ret_n,
			       bool *ret_more, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	size_t n;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent);
	db_arg_time(&args, after->id.n ? after->created_us : INT64_MAX);
	db_arg_text(&args, after->id);
	db_arg_int(&args, limit + 1);
	e = db_query(db, &store_delegation_stmts[LIST], &args, &r, fail);
	if (e)
		return e;
	n = db_rows_count(r);
	*ret_more = n > (size_t)limit;
	*ret_n = *ret_more ? (size_t)limit : n;
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_row(r, i, a, &(*ret)[i]);
	return OK;
}

enum err store_delegation_revoke(struct db *db, struct slice user_id, struct slice agent,
				 struct slice id, bool *ret_ended, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	db_arg_text(&args, agent);
	db_arg_text(&args, id);
	e = db_query(db, &store_delegation_stmts[REVOKE], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such delegation");
	*ret_ended = db_bool(r, 0, 0);
	return OK;
}

/* ---- the human ---- */

/* A statement about the delegation of one link; `none` when it finds no row. */
static enum err by_link(struct db *db, const struct db_stmt *stmt, enum err none,
			const uint8_t link_hash[SHA256_LEN], struct arena *a,
			struct store_delegation_link *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_hash(&args, link_hash);
	e = db_query(db, stmt, &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, none, "no delegation in a state for that");
	read_row(r, 0, a, &ret->is);
	ret->user_id = db_text(r, 0, N_COLUMNS, a);
	ret->user_name = db_text(r, 0, N_COLUMNS + 1, a);
	ret->user_email = db_text(r, 0, N_COLUMNS + 2, a);
	return OK;
}

enum err store_delegation_find(struct db *db, const uint8_t link_hash[SHA256_LEN], struct arena *a,
			       struct store_delegation_link *ret, struct fail *fail)
{
	return by_link(db, &store_delegation_stmts[FIND], ERR_NOT_FOUND, link_hash, a, ret, fail);
}

enum err store_delegation_confirm(struct db *db, const uint8_t link_hash[SHA256_LEN],
				  struct arena *a, struct store_delegation_link *ret,
				  struct fail *fail)
{
	return by_link(db, &store_delegation_stmts[CONFIRM], ERR_CONFLICT, link_hash, a, ret, fail);
}

enum err store_delegation_end(struct db *db, const uint8_t link_hash[SHA256_LEN], struct arena *a,
			      struct store_delegation_link *ret, struct fail *fail)
{
	return by_link(db, &store_delegation_stmts[END], ERR_CONFLICT, link_hash, a, ret, fail);
}
