/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of signing in. A link is used up by one statement, so that it is good
 * once whoever else tries at the same time.
 */
#include "common/store/store_login.h"

/* Is it a domain that this deployment takes mail for? */
#define OURS(domain) "EXISTS (SELECT FROM domains d WHERE d.domain = " domain " AND d.verified)"
#define OURS_OF_LINK OURS("split_part(l.email, '@', 2)")

enum { FIND, ADD_LINK, USE_LINK, FIND_IDENTITY, ADD_IDENTITY, USER, REVOKE_KEYS };

const struct db_stmt store_login_stmts[] = {
	[FIND] = { "login_find",
		   "SELECT " OURS("$2") ", u.id, u.email FROM (SELECT) one "
					"LEFT JOIN users u ON lower(u.email) = lower($1)",
		   false },
	[ADD_LINK] = { "login_add_link",
		       "INSERT INTO sign_in_links (hash, browser_hash, email, cli_callback, "
		       "cli_state, expires_at) VALUES ($1, $2, $3, $4, $5, "
		       "clock_timestamp() + $6::bigint * interval '1 ms')",
		       true },
	[USE_LINK] = { "login_use_link",
		       "UPDATE sign_in_links l SET used_at = clock_timestamp() "
		       "WHERE l.hash = $1 AND COALESCE(l.browser_hash, $2) = $2 "
		       "AND l.used_at IS NULL AND l.expires_at > clock_timestamp() "
		       "AND NOT " OURS_OF_LINK " RETURNING l.email, l.cli_callback, l.cli_state",
		       true },
	[FIND_IDENTITY] = { "login_find_identity",
			    "SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2",
			    false },
	[ADD_IDENTITY] = { "login_add_identity",
			   "INSERT INTO identities (issuer, subject, user_id) VALUES ($1, $2, $3) "
			   "ON CONFLICT DO NOTHING RETURNING 1",
			   true },
	[USER] = { "login_user", "SELECT id, email, name, created_at FROM users WHERE id = $1",
		   false },
	[REVOKE_KEYS] = { "login_revoke_keys",
			  "UPDATE api_keys SET revoked_at = clock_timestamp() "
			  "WHERE user_id = $1 AND name = $2 AND revoked_at IS NULL",
			  true },
	{ 0 },
};

static void add_hash(struct db_args *args, const uint8_t hash[SHA256_LEN])
{
	db_arg_bytes(args, slice_of((const char *)hash, SHA256_LEN));
}

enum err store_login_find(struct db *db, struct slice email, struct slice domain, struct arena *a,
			  struct store_login_address *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, email);
	db_arg_text(&args, domain);
	e = db_query(db, &store_login_stmts[FIND], &args, &r, fail);
	if (e)
		return e;
	*ret = (struct store_login_address){
		.ours = db_bool(r, 0, 0),
		.user_id = db_text(r, 0, 1, a),
		.email = db_text(r, 0, 2, a),
	};
	return OK;
}

enum err store_login_add_link(struct db *db, const uint8_t token_hash[SHA256_LEN],
			      const uint8_t browser_hash[SHA256_LEN],
			      const struct store_login_link *link, int64_t lifetime_ms,
			      struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	add_hash(&args, token_hash);
	if (browser_hash)
		add_hash(&args, browser_hash);
	else
		db_arg_null(&args);
	db_arg_text(&args, link->email);
	db_arg_text(&args, link->cli_callback);
	db_arg_text(&args, link->cli_state);
	db_arg_int(&args, lifetime_ms);
	return db_query(db, &store_login_stmts[ADD_LINK], &args, NULL, fail);
}

enum err store_login_use_link(struct db *db, const uint8_t token_hash[SHA256_LEN],
			      const uint8_t browser_hash[SHA256_LEN], struct arena *a,
			      struct store_login_link *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	add_hash(&args, token_hash);
	add_hash(&args, browser_hash);
	e = db_query(db, &store_login_stmts[USE_LINK], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no link that may be used");
	*ret = (struct store_login_link){
		.email = db_text(r, 0, 0, a),
		.cli_callback = db_text(r, 0, 1, a),
		.cli_state = db_text(r, 0, 2, a),
	};
	return OK;
}

enum err store_login_find_identity(struct db *db, struct slice issuer, struct slice subject,
				   struct arena *a, struct slice *ret_user_id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, issuer);
	db_arg_text(&args, subject);
	e = db_query(db, &store_login_stmts[FIND_IDENTITY], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such identity");
	*ret_user_id = db_text(r, 0, 0, a);
	return OK;
}

enum err store_login_add_identity(struct db *db, struct slice issuer, struct slice subject,
				  struct slice user_id, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, issuer);
	db_arg_text(&args, subject);
	db_arg_text(&args, user_id);
	e = db_query_count(db, &store_login_stmts[ADD_IDENTITY], &args, &n, fail);
	if (e)
		return e;
	return n ? OK : fail_set(fail, ERR_CONFLICT, "the account has another identity there");
}

enum err store_login_user(struct db *db, struct slice user_id, struct arena *a,
			  struct store_login_user *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, user_id);
	e = db_query(db, &store_login_stmts[USER], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such user");
	*ret = (struct store_login_user){
		.id = db_text(r, 0, 0, a),
		.email = db_text(r, 0, 1, a),
		.name = db_text(r, 0, 2, a),
		.created_us = db_time(r, 0, 3),
	};
	return OK;
}

enum err store_login_revoke_keys(struct db *db, struct slice user_id, struct slice name,
				 struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	db_arg_text(&args, name);
	return db_query(db, &store_login_stmts[REVOKE_KEYS], &args, NULL, fail);
}
