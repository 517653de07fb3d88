/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, statements and transactions over libpq. A statement is prepared
 * on a connection when it first runs there. Nothing here repeats a statement
 * whose effect is unknown.
 */
#include "common/store/db.h"

#include "common/base/buf.h"
#include "common/store/db_args.h"
#include "common/store/db_rows.h"

#include <assert.h>
#include <libpq-fe.h>
#include <unistd.h>

enum { TX_TRIES = 5, PREPARED_MAX = 512, GROWN_BYTES = 1024 * 1024 };

struct db {
	PGconn *conn;
	char *url;
	char *default_user;
	char *program;
	const struct db_stmt *prepared[PREPARED_MAX]; /* on this connection, in no order */
	size_t prepared_n;
	bool in_tx;
	bool closing; /* the server has said that it ends this connection */
	bool grown;   /* libpq's buffers have the size of a big value, for good */
};

static void pqfreep(PQconninfoOption **p)
{
	PQconninfoFree(*p);
}

static void clearp(PGresult **p)
{
	PQclear(*p);
}

static bool names_user(const char *url)
{
	AUTO(pqfreep) PQconninfoOption *options = PQconninfoParse(url, NULL);

	for (PQconninfoOption *o = options; o && o->keyword; o++)
		if (o->val && slice_eq(slice_str(o->keyword), S("user")))
			return true;
	return false;
}

/* libpq ends its messages with a line feed and may use several lines. */
static enum err pq_fail(struct fail *fail, enum err code, const char *message)
{
	struct slice text = slice_str(message), line = text;

	slice_cut(&text, '\n', &line);
	return fail_set(fail, code, "postgres: %.*s", (int)(line.n < 200 ? line.n : 200), line.p);
}

/* libpq would print these. A FATAL one while nothing runs is the server's farewell. */
static void on_notice(void *arg, const PGresult *res)
{
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	struct db *db = arg;

	if (slice_eq(slice_str(severity), S("FATAL")) || slice_eq(slice_str(severity), S("PANIC")))
		db->closing = true;
}

static enum err connect_now(struct db *db, struct fail *fail)
{
	/* A later keyword wins over an earlier one, so what the URL says stands. */
	const char *keys[] = { "user",
			       "dbname",
			       "fallback_application_name",
			       "connect_timeout",
			       "tcp_user_timeout",
			       "keepalives_idle",
			       "keepalives_interval",
			       "keepalives_count",
			       "options",
			       "client_encoding",
			       NULL };
	const char *values[] = { db->default_user, db->url, db->program, "5", "10000",
				 /* A host that vanished while it owed an answer sends no more. */
				 "10", "5", "3",
				 "-c search_path=e2a -c statement_timeout=30s "
				 "-c idle_in_transaction_session_timeout=60s -c timezone=UTC "
				 /* Statements are few and each is written for one plan; planning
				  * ingest anew took as long as running it. */
				 "-c plan_cache_mode=force_generic_plan -c jit=off",
				 "UTF8", NULL };
	bool skip_user = !db->default_user || names_user(db->url);

	PQfinish(db->conn);
	db->prepared_n = 0;
	db->in_tx = db->closing = db->grown = false;
	db->conn = PQconnectdbParams(keys + skip_user, values + skip_user, 1);
	PQsetNoticeReceiver(db->conn, on_notice, db);
	if (PQstatus(db->conn) == CONNECTION_OK)
		return OK;
	return pq_fail(fail, ERR_STORAGE, PQerrorMessage(db->conn));
}

enum err db_open(const char *url, const char *default_user, const char *program, struct db **ret,
		 struct fail *fail)
{
	struct db *db = db_new(url, default_user, program);
	enum err e = connect_now(db, fail);

	if (e) {
		db_close(db);
		return e;
	}
	*ret = db;
	return OK;
}

struct db *db_new(const char *url, const char *default_user, const char *program)
{
	struct db *db = mem_zalloc(sizeof(*db));

	db->url = mem_strdup(url);
	db->default_user = default_user ? mem_strdup(default_user) : NULL;
	db->program = mem_strdup(program);
	return db;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	PQfinish(db->conn);
	free(db->url);
	free(db->default_user);
	free(db->program);
	free(db);
}

static bool connected(const struct db *db)
{
	return db->conn && PQstatus(db->conn) == CONNECTION_OK;
}

/* A connection that was lost is made anew, but never in the middle of a transaction. */
static enum err ensure_connected(struct db *db, struct fail *fail)
{
	if (connected(db))
		return OK;
	if (db->in_tx)
		return fail_set(fail, ERR_STORAGE, "postgres: connection lost");
	return connect_now(db, fail);
}

/* SQLSTATE classes, longest prefix first. What is missing is a bug of ours. */
static const struct {
	const char *prefix;
	enum err code;
} sqlstates[] = {
	{ "23502", ERR_INTERNAL }, /* not_null_violation */
	{ "23", ERR_CONFLICT },    /* integrity constraints */
	{ "22", ERR_INPUT },       /* data exceptions */
	{ "25006", ERR_STORAGE },  /* read-only transaction */
	{ "42501", ERR_CONFIG },   /* insufficient privilege */
	{ "08", ERR_STORAGE },     { "40", ERR_STORAGE }, { "53", ERR_STORAGE },
	{ "55P03", ERR_TIMEOUT }, /* lock_not_available */
	{ "57", ERR_STORAGE },     { "58", ERR_STORAGE }, { "XX", ERR_STORAGE },
};

static enum err classify(const char *state)
{
	for (size_t i = 0; i < ARRAY_LEN(sqlstates); i++)
		if (slice_starts(slice_str(state), slice_str(sqlstates[i].prefix)))
			return sqlstates[i].code;
	return ERR_INTERNAL;
}

static enum err result_fail(struct db *db, const PGresult *res, bool writes, struct fail *fail)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	enum err code;

	/*
	 * Without an answer, and also with the last words of a server that goes
	 * down, a statement outside a transaction may or may not have committed.
	 */
	if (!connected(db) && writes && !db->in_tx)
		return pq_fail(fail, ERR_COMMIT_UNKNOWN, PQerrorMessage(db->conn));
	if (!state)
		return pq_fail(fail, connected(db) ? ERR_INTERNAL : ERR_STORAGE,
			       PQerrorMessage(db->conn));
	code = classify(state);
	if (constraint)
		return fail_set(fail, code, "postgres: %s: %s", state, constraint);
	return fail_set(fail, code, "postgres: %s: %s", state,
			PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

static bool succeeded(const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static enum err prepare(struct db *db, const struct db_stmt *stmt, struct fail *fail)
{
	AUTO(clearp) PGresult *res = NULL;

	for (size_t i = 0; i < db->prepared_n; i++)
		if (db->prepared[i] == stmt)
			return OK;
	res = PQprepare(db->conn, stmt->name, stmt->sql, 0, NULL);
	if (!succeeded(res))
		return result_fail(db, res, false, fail);
	assert(db->prepared_n < PREPARED_MAX);
	db->prepared[db->prepared_n++] = stmt;
	return OK;
}

enum err db_prepare(struct db *db, const struct db_stmt *stmt, struct fail *fail)
{
	enum err e = ensure_connected(db, fail);

	return e ? e : prepare(db, stmt, fail);
}

static bool is_big(const struct db_args *args, const PGresult *res)
{
	if (PQresultMemorySize(res) > GROWN_BYTES)
		return true;
	for (int i = 0; i < args->n; i++)
		if (args->len[i] > GROWN_BYTES)
			return true;
	return false;
}

void db_shrink(struct db *db)
{
	if (db->grown && !db->in_tx)
		PQfinish(TAKE(db->conn));
	db->grown = false;
}

/*
 * Before a statement outside a transaction: the server may have closed an idle
 * connection, which libpq only finds out by reading.
 */
static void notice_close(struct db *db)
{
	if (db->in_tx || !connected(db))
		return;
	if (PQconsumeInput(db->conn))
		PQisBusy(db->conn); /* calls on_notice() for what was read */
	else
		db->closing = true;
	if (db->closing)
		PQfinish(TAKE(db->conn));
}

static enum err query(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
		      struct db_rows **ret, struct fail *fail)
{
	static const struct db_args none = DB_ARGS_INIT;
	AUTO(clearp) PGresult *res = NULL;
	enum err e;

	if (!args)
		args = &none;
	notice_close(db);
	e = db_prepare(db, stmt, fail);
	if (e)
		return e;
	res = PQexecPrepared(db->conn, stmt->name, args->n, args->v, args->len, args->format, 1);
	db->grown |= is_big(args, res);
	if (!succeeded(res))
		return result_fail(db, res, stmt->writes, fail);
	if (ret)
		*ret = db_rows_new(TAKE(res));
	return OK;
}

enum err db_query(struct db *db, const struct db_stmt *stmt, struct db_args *args,
		  struct db_rows **ret, struct fail *fail)
{
	enum err e = query(db, stmt, args, ret, fail);

	db_args_release(args);
	return e;
}

enum err db_query_count(struct db *db, const struct db_stmt *stmt, struct db_args *args,
			size_t *ret_n, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, stmt, args, &r, fail);

	if (e == OK)
		*ret_n = db_rows_count(r);
	return e;
}

/* On this very connection, alive or not: COMMIT must never reach another one. */
static enum err exec_here(struct db *db, const char *sql, bool writes, struct fail *fail)
{
	AUTO(clearp) PGresult *res = PQexec(db->conn, sql);

	return succeeded(res) ? OK : result_fail(db, res, writes, fail);
}

static enum err script(struct db *db, const char *sql, bool writes, struct fail *fail)
{
	enum err e;

	notice_close(db);
	e = ensure_connected(db, fail);
	return e ? e : exec_here(db, sql, writes, fail);
}

enum err db_script(struct db *db, const char *sql, struct fail *fail)
{
	return script(db, sql, true, fail);
}

static bool serialisation_failure(const struct db *db, const struct fail *fail)
{
	struct slice what = slice_str(fail->what);

	return connected(db) && (slice_starts(what, S("postgres: 40001")) ||
				 slice_starts(what, S("postgres: 40P01")));
}

/* One BEGIN .. COMMIT. On failure the connection is left outside of a transaction. */
static enum err run_tx(struct db *db, enum err (*fn)(struct db *db, void *arg, struct fail *fail),
		       void *arg, struct fail *fail)
{
	enum err e = script(db, "BEGIN", false, fail);

	if (e)
		return e;
	db->in_tx = true;
	e = fn(db, arg, fail);
	if (e == OK && PQtransactionStatus(db->conn) != PQTRANS_INTRANS)
		e = fail_set(fail, ERR_STORAGE, "postgres: transaction was aborted");
	db->in_tx = false;
	if (e == OK)
		return exec_here(db, "COMMIT", true, fail); /* outside: a lost answer is unknown */
	if (!connected(db) || exec_here(db, "ROLLBACK", false, NULL))
		PQfinish(TAKE(db->conn));
	return e;
}

enum err db_tx(struct db *db, enum err (*fn)(struct db *db, void *arg, struct fail *fail),
	       void *arg, struct fail *fail)
{
	struct fail local = { 0 };
	enum err e = OK;

	assert(!db->in_tx);
	for (int i = 0; i < TX_TRIES; i++) {
		e = run_tx(db, fn, arg, &local);
		if (e != ERR_STORAGE || !serialisation_failure(db, &local))
			break;
	}
	if (e && fail)
		*fail = local;
	return e;
}

enum err db_begin_snapshot(struct db *db, int64_t idle_ms, struct fail *fail)
{
	AUTO(buf_release) struct buf sql = BUF_INIT(256);
	enum err e;

	assert(!db->in_tx);
	buf_addf(&sql,
		 "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
		 "SET LOCAL idle_in_transaction_session_timeout = %lld",
		 (long long)idle_ms);
	e = script(db, buf_cstr(&sql), false, fail);
	db->in_tx = e == OK;
	return e;
}

enum err db_listen(struct db *db, const char *channel, struct fail *fail)
{
	char *name;
	AUTO(buf_release) struct buf sql = BUF_INIT(256);
	enum err e = ensure_connected(db, fail);

	if (e)
		return e;
	name = PQescapeIdentifier(db->conn, channel, strlen(channel));
	buf_addf(&sql, "LISTEN %s", name);
	PQfreemem(name);
	return db_script(db, buf_cstr(&sql), fail);
}

int db_socket(const struct db *db)
{
	return connected(db) ? PQsocket(db->conn) : -1;
}

enum err db_notifications(struct db *db, db_notified *fn, void *arg, struct fail *fail)
{
	PGnotify *n;

	if (!connected(db) || !PQconsumeInput(db->conn))
		return pq_fail(fail, ERR_STORAGE, db->conn ? PQerrorMessage(db->conn) : "closed");
	while ((n = PQnotifies(db->conn))) {
		fn(slice_str(n->relname), slice_str(n->extra), arg);
		PQfreemem(n);
	}
	if (db->closing)
		return fail_set(fail, ERR_STORAGE, "postgres: connection closed by the server");
	return OK;
}

enum err db_notify(struct db *db, const char *channel, struct slice payload, struct fail *fail)
{
	/* Not `writes`: a wake-up is a hint, and saying it twice does no harm. */
	static const struct db_stmt stmt = { "db_notify", "SELECT pg_notify($1, $2)", false };
	struct db_args args = DB_ARGS_INIT;

	db_arg_text(&args, slice_str(channel));
	db_arg_text(&args, payload);
	return db_query(db, &stmt, &args, NULL, fail);
}
