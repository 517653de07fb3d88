/* SPDX-License-Identifier: Apache-2.0 */
/* Empty databases in the cluster of tests/with-postgres; roles log in by name. */
#ifndef E2A_TESTS_SQL_FRESH_H
#define E2A_TESTS_SQL_FRESH_H

#include "common/base/buf.h"
#include "common/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_ok(call, fail)                                                                      \
	do {                                                                                       \
		enum err e_ = (call);                                                              \
		if (e_)                                                                            \
			fail_msg("%s: %s", #call, (fail)->what);                                   \
	} while (0)

DEFINE_FREEP(struct db, db_close)

/* The URL of a database; role NULL: the superuser. */
static inline void fresh_url(const char *database, const char *role, struct buf *ret)
{
	const char *base = getenv("E2A_TEST_DATABASE_URL");

	if (!base)
		fail_msg("E2A_TEST_DATABASE_URL is not set; run under tests/with-postgres");
	buf_add_str(ret, base);
	buf_addf(ret, "&dbname=%s", database);
	if (role)
		buf_addf(ret, "&user=%s", role);
}

static inline struct db *fresh_open(const char *database, const char *role)
{
	AUTO(buf_release) struct buf url = BUF_INIT(4096);
	struct fail fail = { 0 };
	struct db *db = NULL;

	fresh_url(database, role, &url);
	assert_ok(db_open(buf_cstr(&url), NULL, "tests", &db, &fail), &fail);
	return db;
}

static inline void fresh_script(struct db *db, const char *sql)
{
	struct fail fail = { 0 };

	assert_ok(db_script(db, sql, &fail), &fail);
}

/* Makes the database anew and connects to it. */
static inline struct db *fresh_database(const char *database)
{
	AUTO(db_closep) struct db *db = fresh_open("postgres", NULL);
	AUTO(buf_release) struct buf sql = BUF_INIT(256);

	buf_addf(&sql, "DROP DATABASE IF EXISTS %s", database);
	fresh_script(db, buf_cstr(&sql));
	buf_reset(&sql);
	buf_addf(&sql, "CREATE DATABASE %s", database);
	fresh_script(db, buf_cstr(&sql));
	return fresh_open(database, NULL);
}

static inline void fresh_ignore(const char *name, void *arg)
{
	(void)name;
	(void)arg;
}

/* ... with the schema in it. */
static inline struct db *fresh_migrated(const char *database)
{
	struct db *db = fresh_database(database);
	struct fail fail = { 0 };

	assert_ok(schema_migrate(db, fresh_ignore, NULL, &fail), &fail);
	return db;
}

/* The first cell that a statement of the owner's gives. */
static inline void fresh_assert_text(const char *database, const char *sql, const char *want)
{
	const struct db_stmt stmt = { "fresh_text", sql, false };
	AUTO(db_closep) struct db *db = fresh_open(database, NULL);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	assert_ok(db_query(db, &stmt, NULL, &r, &fail), &fail);
	assert_true(db_rows_count(r) > 0);
	if (!slice_eq(db_slice(r, 0, 0), slice_str(want)))
		fail_msg("%s: %.*s, not %s", sql, SLICE_ARGS(db_slice(r, 0, 0)), want);
}

#endif
