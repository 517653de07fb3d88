/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Postgres by libpq: connections, prepared statements by name, typed
 * parameters and rows, transactions. Everything that knows BEGIN, COMMIT,
 * SQLSTATE or a reconnect is here.
 *
 * Text and bytea travel in binary form, so a slice needs no copy and no NUL;
 * results are binary throughout (cast jsonb to text in the statement).
 */
#ifndef E2A_STORE_DB_H
#define E2A_STORE_DB_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { DB_PARAMS_MAX = 40 };

/*
 * A statement. Each store_*.c keeps its statements in one table
 * `store_x_stmts[]`, ended by a row without name, so that tests/sql can
 * prepare all of them.
 */
struct db_stmt {
	const char *name; /* unique in the program, at most 63 bytes */
	const char *sql;
	bool writes; /* a lost connection leaves its effect unknown: ERR_COMMIT_UNKNOWN */
};

struct db;      /* one connection; one thread at a time */
struct db_rows; /* a result */

/* Parameters in order; values are borrowed until the call returns. */
struct db_args {
	int n;
	const char *v[DB_PARAMS_MAX];
	int len[DB_PARAMS_MAX];
	int format[DB_PARAMS_MAX];
	char num[DB_PARAMS_MAX][32];
	char *owned[DB_PARAMS_MAX]; /* arrays; freed by db_query() */
};

#define DB_ARGS_INIT                                                                               \
	{                                                                                          \
		0                                                                                  \
	}

void db_arg_text(struct db_args *a, struct slice s);
void db_arg_text_or_null(struct db_args *a, struct slice s); /* empty becomes NULL */
void db_arg_bytes(struct db_args *a, struct slice s);
void db_arg_int(struct db_args *a, int64_t v);
void db_arg_bool(struct db_args *a, bool v);
void db_arg_time(struct db_args *a, int64_t t_us);
void db_arg_null(struct db_args *a);
/* text[], int8[]; no NUL inside the texts. */
void db_arg_texts(struct db_args *a, const struct slice *v, size_t n);
void db_arg_ints(struct db_args *a, const int64_t *v, size_t n);

/*
 * `url` is a libpq URL or conninfo; a user named there wins over
 * `default_user`. The first connection is made at once: ERR_STORAGE when the
 * server is away or refuses us. Later losses reconnect by themselves at the next call.
 */
enum err db_open(const char *url, const char *default_user, const char *program, struct db **ret,
		 struct fail *fail) MUST_CHECK;
/* The same without connecting: the first call that needs the server does. Never NULL. */
struct db *db_new(const char *url, const char *default_user, const char *program);
void db_close(struct db *db);
/*
 * Closes the connection when big values went through it, because libpq keeps
 * its buffers at their largest size; the next statement opens it again. The
 * pool does this for each connection that comes back.
 */
void db_shrink(struct db *db);

/*
 * Runs one statement. `args` may be NULL; *ret (which may be NULL) is freed
 * with db_rows_free(). Zero rows is not an error here.
 *   ERR_STORAGE  connection lost before a result, server shutting down,
 *		  serialisation failure, out of resources, read-only
 *   ERR_COMMIT_UNKNOWN  lost while a `writes` statement was under way
 *   ERR_CONFLICT a unique, foreign-key or check constraint; fail.what names it
 *   ERR_INPUT    data the server cannot represent
 *   ERR_TIMEOUT  a lock was not had within lock_timeout (where one is set)
 *   ERR_INTERNAL anything else (a bug of ours)
 */
enum err db_query(struct db *db, const struct db_stmt *stmt, struct db_args *args,
		  struct db_rows **ret, struct fail *fail) MUST_CHECK;
/* The same for a statement of which only the number of its rows is wanted. */
enum err db_query_count(struct db *db, const struct db_stmt *stmt, struct db_args *args,
			size_t *ret_n, struct fail *fail) MUST_CHECK;
/* Only prepares it (tests/sql). */
enum err db_prepare(struct db *db, const struct db_stmt *stmt, struct fail *fail) MUST_CHECK;
/* A text of statements without parameters (migrations). */
enum err db_script(struct db *db, const char *sql, struct fail *fail) MUST_CHECK;

/*
 * Runs fn inside BEGIN and COMMIT; rolls back when it does not return OK.
 * Serialisation failures and deadlocks (40001, 40P01) repeat the whole of fn,
 * at most 5 times. ERR_COMMIT_UNKNOWN when the connection was lost during COMMIT.
 */
enum err db_tx(struct db *db, enum err (*fn)(struct db *db, void *arg, struct fail *fail),
	       void *arg, struct fail *fail) MUST_CHECK;

/*
 * Begins a transaction that only reads and sees the database as it was at its
 * first statement, for reads that go on over many calls. It lasts until
 * db_close(), which has to follow soon: meanwhile the server cannot clean up
 * behind it. The server ends it when nothing is asked for `idle_ms`.
 */
enum err db_begin_snapshot(struct db *db, int64_t idle_ms, struct fail *fail) MUST_CHECK;

size_t db_rows_count(const struct db_rows *r);
void db_rows_free(struct db_rows *r);
DEFINE_FREEP(struct db_rows, db_rows_free)

/* Cells; row and column count from 0. The slice is valid until db_rows_free(). NULL reads as empty,
 * 0, false. */
bool db_is_null(const struct db_rows *r, size_t row, int col);
struct slice db_slice(const struct db_rows *r, size_t row, int col);
int64_t db_int(const struct db_rows *r, size_t row, int col); /* int2, int4, int8 */
bool db_bool(const struct db_rows *r, size_t row, int col);
int64_t db_time(const struct db_rows *r, size_t row, int col); /* timestamptz -> us since 1970 */
/* text[] or bytea[]; NULL elements read as empty. The array lives in the arena, bytes in the
 * result. */
void db_slices(const struct db_rows *r, size_t row, int col, struct arena *a, struct slice **ret,
	       size_t *ret_n);

/* The same, with copies of the bytes in the arena. */
struct slice db_text(const struct db_rows *r, size_t row, int col, struct arena *a);
void db_texts(const struct db_rows *r, size_t row, int col, struct arena *a, struct slice **ret,
	      size_t *ret_n);

/* For event loops: LISTEN on a connection of its own. */
enum err db_listen(struct db *db, const char *channel, struct fail *fail) MUST_CHECK;
int db_socket(const struct db *db); /* -1 when not connected */
typedef void db_notified(struct slice channel, struct slice payload, void *arg);
/* Reads what arrived and calls fn for each notification. ERR_STORAGE when the connection is gone.
 */
enum err db_notifications(struct db *db, db_notified *fn, void *arg, struct fail *fail) MUST_CHECK;
/* NOTIFY by pg_notify(). */
enum err db_notify(struct db *db, const char *channel, struct slice payload,
		   struct fail *fail) MUST_CHECK;

/*
 * A fixed set of connections for many threads. Getting one waits at most
 * wait_ms (ERR_BUSY). Connections are opened when first needed.
 */
struct db_pool;
struct db_pool *db_pool_new(const char *url, const char *default_user, const char *program,
			    size_t size);
void db_pool_free(struct db_pool *p); /* all connections must be back */
enum err db_pool_get(struct db_pool *p, int64_t wait_ms, struct db **ret,
		     struct fail *fail) MUST_CHECK;
void db_pool_put(struct db_pool *p, struct db *db);

/*
 * ERR_SCHEMA unless the newest applied migration is exactly DB_SCHEMA_VERSION
 * and every checksum is the one compiled in (common/store/schema.c, generated
 * by the Makefile from migrations/).
 */
enum err db_check_schema(struct db *db, struct fail *fail) MUST_CHECK;

#endif
