/* SPDX-License-Identifier: Apache-2.0 */
/* Domains: claims, their tokens, and who holds what. */
#include "common/store/store_domain.h"

#include "common/base/ids.h"
#include "common/store/store_dkim.h"
#include "common/store/store_user.h"

#define DOMAINS_CHANNEL "e2a_domains"
#define DAY_US (24LL * 3600 * 1000000)
#define COLUMNS "d.id, d.domain, d.verified, d.verification_token, d.created_at, d.verified_at"

/* A domain is as many rows, one behind the other, as it has keys and records; at least one. */
#define SELECT(more)                                                                               \
	"SELECT " COLUMNS ", " more ", r.record, r.status, r.checked_at, r.selector, "             \
	"r.public_key, r.retired_at FROM domains d LEFT JOIN LATERAL ("                            \
	"SELECT o.record, o.status, o.checked_at, '' AS selector, '' AS public_key, "              \
	"NULL::timestamptz AS retired_at FROM domain_records o WHERE o.domain_id = d.id "          \
	"UNION ALL SELECT CASE k.state WHEN 'active' THEN 'dkim' ELSE 'dkim_' || k.state END, "    \
	"k.status, k.checked_at, k.selector, k.public_key, k.retired_at FROM dkim_keys k "         \
	"WHERE k.domain_id = d.id) r ON true "

/* The columns behind COLUMNS; of VERIFY there is one. */
enum { OTHERS = 6, OWNER = 6, RECORD, STATUS, CHECKED_AT, SELECTOR, PUBLIC_KEY, RETIRED_AT };
#define OWNER_EMAIL "(SELECT u.email FROM users u WHERE u.id = d.user_id)"

enum { TOKEN_DIGITS = 32 };
enum { LIST, FIND, GET, HELD, NAMED, CLAIM, VERIFY_LOCK, VERIFY, DELETE, SHARE, TAKEN };

const struct db_stmt store_domain_stmts[] = {
	[LIST] = { "domain_list",
		   SELECT("''") "WHERE d.user_id = $1 ORDER BY d.created_at DESC, d.domain, d.id",
		   false },
	[FIND] = { "domain_find", SELECT("''") "WHERE d.user_id = $1 AND d.domain = $2", false },
	[GET] = { "domain_get", SELECT("''") "WHERE d.id = $1", false },
	[HELD] = { "domain_held", SELECT("''") "WHERE d.domain = $1 AND d.verified", false },
	[NAMED] = { "domain_named",
		    SELECT(OWNER_EMAIL) "WHERE d.domain = $1 ORDER BY d.verified DESC, d.created_at, d.id",
		    false },
	/* $5 most claims of a user */
	[CLAIM] = { "domain_claim",
		    "WITH ours AS (SELECT EXISTS "
		    "(SELECT FROM domains WHERE domain = $2 AND user_id IS NULL) AS yes, "
		    "EXISTS (SELECT FROM domains WHERE domain = $2 AND user_id = $1) "
		    "OR (SELECT count(*) FROM domains WHERE user_id = $1) < $5::bigint AS room), "
		    "made AS (INSERT INTO domains (user_id, domain, id, verification_token) "
		    "SELECT $1, $2, $3, $4 FROM ours WHERE NOT yes AND room "
		    "ON CONFLICT (domain, user_id) DO NOTHING) SELECT yes, room FROM ours",
		    true },
	/* One at a time, over all names: what is above or below must not change meanwhile. */
	[VERIFY_LOCK] = { "domain_verify_lock",
			  "SELECT pg_advisory_xact_lock(hashtextextended('domain_verify', 0))",
			  false },
	[VERIFY] = { "domain_verify",
		     "WITH RECURSIVE above AS (SELECT $2::text AS name UNION ALL "
		     "SELECT substring(name from position('.' in name) + 1) FROM above "
		     "WHERE position('.' in name) > 0), "
		     "others AS (SELECT FROM domains o WHERE o.verified "
		     "AND o.user_id IS DISTINCT FROM $1 AND (o.domain IN (SELECT name FROM above) "
		     "OR right(o.domain, length($2) + 1) = '.' || $2)), "
		     "done AS (UPDATE domains d SET verified = true, "
		     "verified_at = COALESCE(d.verified_at, clock_timestamp()) "
		     "WHERE d.user_id = $1 AND d.domain = $2 "
		     "AND NOT EXISTS (SELECT FROM others) RETURNING " COLUMNS ") "
		     "SELECT d.*, EXISTS (SELECT FROM others) FROM (SELECT) x LEFT JOIN done d ON true",
		     true },
	[DELETE] = { "domain_delete",
		     "DELETE FROM domains d WHERE d.user_id = $1 AND d.domain = $2 "
		     "AND NOT EXISTS (SELECT FROM agents a "
		     "WHERE a.user_id = d.user_id AND a.domain = d.domain) RETURNING 1",
		     true },
	[SHARE] = { "domain_share",
		    "INSERT INTO domains (id, domain, user_id, verified, verification_token, "
		    "verified_at) VALUES ($1, $2, NULL, true, '', clock_timestamp()) "
		    "ON CONFLICT (domain, user_id) DO NOTHING",
		    true },
	[TAKEN] = { "domain_taken",
		    "SELECT EXISTS (SELECT FROM domains d WHERE d.domain = $1 AND d.verified)",
		    false },
	{ 0 },
};

static void read_domain(const struct db_rows *r, size_t row, struct arena *a,
			struct store_domain *ret)
{
	*ret = (struct store_domain){
		.id = db_text(r, row, 0, a),
		.domain = db_text(r, row, 1, a),
		.verified = db_bool(r, row, 2),
		.token = db_text(r, row, 3, a),
		.created_us = db_time(r, row, 4),
		.verified_us = db_time(r, row, 5),
	};
}

static void read_record(const struct db_rows *r, size_t row, struct arena *a,
			struct store_domain *ret)
{
	enum dns_record_kind kind = dns_record_of(db_slice(r, row, RECORD));

	if (kind == DNS_RECORD_COUNT)
		return;
	ret->records[kind] = (struct dns_record){
		.selector = db_text(r, row, SELECTOR, a),
		.key = db_text(r, row, PUBLIC_KEY, a),
		.status = dns_status_of(db_slice(r, row, STATUS)),
		.checked_us = db_time(r, row, CHECKED_AT),
	};
	if (kind == DNS_RECORD_DKIM_RETIRED)
		ret->key_needed_until_us =
			db_time(r, row, RETIRED_AT) + STORE_DKIM_RETIRED_DAYS * DAY_US;
}

/* Those of a SELECT. */
static void read_domains(const struct db_rows *r, struct arena *a, struct store_domain **ret,
			 size_t *ret_n)
{
	struct store_domain *v = arena_calloc(a, db_rows_count(r), sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < db_rows_count(r); i++) {
		if (n == 0 || !slice_eq(db_slice(r, i, 0), v[n - 1].id)) {
			read_domain(r, i, a, &v[n++]);
			v[n - 1].owner = db_text(r, i, OWNER, a);
		}
		read_record(r, i, a, &v[n - 1]);
	}
	*ret = v;
	*ret_n = n;
}

static enum err select_all(struct db *db, int stmt, struct db_args *args, struct arena *a,
			   struct store_domain **ret, size_t *ret_n, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_domain_stmts[stmt], args, &r, fail);

	if (e == OK)
		read_domains(r, a, ret, ret_n);
	return e;
}

static enum err select_one(struct db *db, int stmt, struct db_args *args, struct arena *a,
			   struct store_domain *ret, struct fail *fail)
{
	struct store_domain *v;
	size_t n;
	enum err e = select_all(db, stmt, args, a, &v, &n, fail);

	if (e)
		return e;
	if (n == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such domain");
	*ret = v[0];
	return OK;
}

static void claim_args(struct slice user_id, struct slice domain, struct db_args *ret)
{
	db_arg_text(ret, user_id);
	db_arg_text(ret, domain);
}

/* A statement about one claim of one user: parameters $1 and $2. */
static enum err one_claim(struct db *db, const struct db_stmt *stmt, struct slice user_id,
			  struct slice domain, struct db_rows **ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	claim_args(user_id, domain, &args);
	e = db_query(db, stmt, &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		return fail_set(fail, ERR_NOT_FOUND, "no such domain");
	*ret = TAKE(r);
	return OK;
}

enum err store_domain_list(struct db *db, struct slice user_id, struct arena *a,
			   struct store_domain **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, user_id);
	return select_all(db, LIST, &args, a, ret, ret_n, fail);
}

enum err store_domain_find(struct db *db, struct slice user_id, struct slice domain,
			   struct arena *a, struct store_domain *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	claim_args(user_id, domain, &args);
	return select_one(db, FIND, &args, a, ret, fail);
}

enum err store_domain_get(struct db *db, struct slice id, struct arena *a, struct store_domain *ret,
			  struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, id);
	return select_one(db, GET, &args, a, ret, fail);
}

enum err store_domain_held(struct db *db, struct slice domain, struct arena *a,
			   struct store_domain *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, domain);
	return select_one(db, HELD, &args, a, ret, fail);
}

enum err store_domain_named(struct db *db, struct slice domain, struct arena *a,
			    struct store_domain **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, domain);
	return select_all(db, NAMED, &args, a, ret, ret_n, fail);
}

static enum err insert(struct db *db, struct slice user_id, struct slice domain, int64_t most,
		       struct arena *a, struct fail *fail)
{
	char id[ID_MAX], digits[TOKEN_HEX_LEN + 1];
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	id_new("dom_", id);
	id_random_hex(TOKEN_DIGITS, digits);
	db_arg_text(&args, user_id);
	db_arg_text(&args, domain);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, slice_str(arena_printf(a, DOMAIN_TOKEN_PREFIX "%s", digits)));
	db_arg_int(&args, most);
	e = db_query(db, &store_domain_stmts[CLAIM], &args, &r, fail);
	if (e)
		return e;
	if (db_bool(r, 0, 0))
		return fail_set(fail, ERR_CONFLICT, "domain of the deployment");
	if (!db_bool(r, 0, 1))
		return fail_set(fail, ERR_TOO_BIG, "the user has as many domains as may be");
	return OK;
}

enum err store_domain_claim(struct db *db, struct slice user_id, struct slice domain, int64_t most,
			    struct arena *a, struct store_domain *ret, struct fail *fail)
{
	enum err e = store_user_lock(db, user_id, fail);

	if (e == OK)
		e = insert(db, user_id, domain, most, a, fail);
	return e ? e : store_domain_find(db, user_id, domain, a, ret, fail);
}

enum err store_domain_verify(struct db *db, struct slice user_id, struct slice domain,
			     struct arena *a, struct store_domain *ret, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_domain_stmts[VERIFY_LOCK], NULL, NULL, fail);

	if (e == OK)
		e = one_claim(db, &store_domain_stmts[VERIFY], user_id, domain, &r, fail);
	if (e)
		return e;
	if (db_bool(r, 0, OTHERS))
		return fail_set(fail, ERR_CONFLICT,
				"somebody else holds it, or one above or below");
	if (db_is_null(r, 0, 0))
		return fail_set(fail, ERR_NOT_FOUND, "no such domain");
	read_domain(r, 0, a, ret);
	return OK;
}

enum err store_domain_delete(struct db *db, struct slice user_id, struct slice domain,
			     struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *found = NULL;
	AUTO(db_rows_freep) struct db_rows *deleted = NULL;
	enum err e = store_user_lock(db, user_id, fail);

	if (e == OK)
		e = one_claim(db, &store_domain_stmts[FIND], user_id, domain, &found, fail);
	if (e)
		return e;
	e = one_claim(db, &store_domain_stmts[DELETE], user_id, domain, &deleted, fail);
	return e == ERR_NOT_FOUND ? fail_set(fail, ERR_CONFLICT, "domain has agents") : e;
}

enum err store_domain_share(struct db *db, struct slice domain, struct fail *fail)
{
	char id[ID_MAX];
	struct db_args args = DB_ARGS_INIT;
	enum err e;

	id_new("dom_", id);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, domain);
	e = db_query(db, &store_domain_stmts[SHARE], &args, NULL, fail);
	return e == ERR_CONFLICT ? fail_set(fail, ERR_CONFIG, "%.*s is a domain of a user",
					    SLICE_ARGS(domain))
				 : e;
}

enum err store_domain_taken(struct db *db, struct slice domain, bool *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, domain);
	e = db_query(db, &store_domain_stmts[TAKEN], &args, &r, fail);
	if (e == OK)
		*ret = db_bool(r, 0, 0);
	return e;
}

enum err store_domain_announce(struct db *db, struct fail *fail)
{
	return db_notify(db, DOMAINS_CHANNEL, S(""), fail);
}
