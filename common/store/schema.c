/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrations: which are applied, whether they are the ones this build knows,
 * and applying the next. A database that does not match must never be touched.
 */
#include "common/store/schema.h"

enum { EXISTS, APPLIED, RECORD };

const struct db_stmt schema_stmts[] = {
	[EXISTS] = { "schema_exists", "SELECT to_regclass('schema_migrations') IS NOT NULL",
		     false },
	[APPLIED] = { "schema_applied",
		      "SELECT version, sha256 FROM schema_migrations ORDER BY version", false },
	[RECORD] = { "schema_record",
		     "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
		     true },
	{ 0 },
};

/* Ends with the transaction. The number is e2a's own, arbitrary and for ever. */
static const char lock_sql[] = "SET LOCAL statement_timeout = 0;"
			       "SET LOCAL lock_timeout = '60s';"
			       "SELECT pg_advisory_xact_lock(7310868735)";
static const char base_sql[] = "CREATE SCHEMA IF NOT EXISTS e2a;"
			       "CREATE TABLE IF NOT EXISTS e2a.schema_migrations ("
			       " version integer PRIMARY KEY,"
			       " name text NOT NULL,"
			       " sha256 text NOT NULL,"
			       " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())";

/* Every applied row must be the list's row of the same place; *ret_n of them are. */
static enum err compare(const struct db_rows *r, const struct migration *list, size_t *ret_n,
			struct fail *fail)
{
	size_t n = db_rows_count(r);

	for (size_t i = 0; i < n; i++) {
		if (list[i].version == 0)
			return fail_set(fail, ERR_SCHEMA,
					"the database is newer: it has migration %d",
					(int)db_int(r, i, 0));
		if (db_int(r, i, 0) != list[i].version)
			return fail_set(fail, ERR_SCHEMA, "migration %s is missing in the database",
					list[i].name);
		if (!slice_eq(db_slice(r, i, 1), slice_str(list[i].sha256)))
			return fail_set(fail, ERR_SCHEMA,
					"migration %s in the database is another one than ours",
					list[i].name);
	}
	*ret_n = n;
	return OK;
}

static enum err count_applied(struct db *db, const struct migration *list, size_t *ret_n,
			      struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &schema_stmts[APPLIED], NULL, &r, fail);

	return e ? e : compare(r, list, ret_n, fail);
}

enum err db_check_schema(struct db *db, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &schema_stmts[EXISTS], NULL, &r, fail);
	size_t n = 0;

	if (e)
		return e;
	if (!db_bool(r, 0, 0))
		return fail_set(fail, ERR_SCHEMA, "no schema e2a here; run e2a-admin migrate");
	e = count_applied(db, migrations, &n, fail);
	if (e)
		return e;
	if (migrations[n].version != 0)
		return fail_set(fail, ERR_SCHEMA,
				"migration %s is not applied; run e2a-admin migrate",
				migrations[n].name);
	return OK;
}

struct step {
	const struct migration *list;
	const struct migration *done; /* what this step applied; NULL: nothing was left */
};

static enum err record(struct db *db, const struct migration *m, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, m->version);
	db_arg_text(&args, slice_str(m->name));
	db_arg_text(&args, slice_str(m->sha256));
	return db_query(db, &schema_stmts[RECORD], &args, NULL, fail);
}

static enum err apply(struct db *db, const struct migration *m, struct fail *fail)
{
	struct fail inner = { 0 };
	enum err e = db_script(db, m->sql, &inner);

	if (e)
		return fail_set(fail, e, "%s: %.180s", m->name, inner.what);
	return record(db, m, fail);
}

/* One transaction: the next migration, or nothing. */
static enum err migrate_step(struct db *db, void *arg, struct fail *fail)
{
	struct step *s = arg;
	size_t n = 0;
	enum err e;

	s->done = NULL;
	if ((e = db_script(db, lock_sql, fail)) || (e = db_script(db, base_sql, fail)) ||
	    (e = count_applied(db, s->list, &n, fail)))
		return e;
	if (s->list[n].version == 0)
		return OK;
	e = apply(db, &s->list[n], fail);
	if (e == OK)
		s->done = &s->list[n];
	return e;
}

static enum err set_roles(struct db *db, void *arg, struct fail *fail)
{
	enum err e = db_script(db, lock_sql, fail);

	(void)arg;
	return e ? e : db_script(db, schema_roles, fail);
}

enum err schema_migrate_to(struct db *db, const struct migration *list,
			   void (*applied)(const char *name, void *arg), void *arg,
			   struct fail *fail)
{
	struct step s = { .list = list };
	enum err e;

	do {
		e = db_tx(db, migrate_step, &s, fail);
		if (e)
			return e;
		if (s.done)
			applied(s.done->name, arg);
	} while (s.done);
	return OK;
}

enum err schema_migrate(struct db *db, void (*applied)(const char *name, void *arg), void *arg,
			struct fail *fail)
{
	enum err e = schema_migrate_to(db, migrations, applied, arg, fail);

	return e ? e : db_tx(db, set_roles, NULL, fail);
}
