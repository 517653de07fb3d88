/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the deployment's own mail. What a mail says is never stored in
 * the clear, because it may hold a token, and goes as soon as the job has ended.
 */
#include "common/store/store_mail.h"

#include "common/base/ids.h"
#include "common/base/jsonf.h"
#include "common/store/db_sql.h"

enum { KEY_VERSION = 1, PLAIN_MAX = 256 * 1024, SEALED_MAX = PLAIN_MAX + CRYPTO_SEAL_OVERHEAD };
enum { ADD, CLAIM, CLAIM_NO_HOLDS, SENT, FAILED, EXPIRE };

/* $1 lease, $2 lease ms, $3 limit */
#define CLAIM_WHERE(more)                                                                          \
	"WITH " ASYNC " UPDATE mail_jobs j SET lease_id = $1, "                                    \
	"lease_until = now() + $2::bigint * interval '1 ms' "                                      \
	"FROM async WHERE j.id = ANY (ARRAY(SELECT d.id FROM mail_jobs d "                         \
	"WHERE d.state = 'pending' AND d.due_at <= now() " more                                    \
	"AND (d.lease_until IS NULL OR d.lease_until < now()) "                                    \
	"ORDER BY d.due_at LIMIT $3::bigint FOR UPDATE SKIP LOCKED)) "                             \
	"RETURNING j.id, j.kind, j.recipient, j.sealed, j.attempts, j.created_at, "                \
	"j.expires_at <= now(), coalesce(j.message_id, '')"

const struct db_stmt store_mail_stmts[] = {
	/*
	 * $1 id, $2 kind, $3 user, $4 recipient, $5 sealed, $6 lifetime ms. The NOTIFY
	 * goes out with the commit; such mail is rare enough for its lock.
	 */
	[ADD] = { "mail_add",
		  "WITH job AS (INSERT INTO mail_jobs (id, kind, user_id, recipient, sealed, "
		  "expires_at) VALUES ($1, $2, $3, $4, $5, "
		  "clock_timestamp() + $6::bigint * interval '1 ms') RETURNING 1) "
		  "SELECT pg_notify('e2a_jobs', '') FROM job",
		  true },
	[CLAIM] = { "mail_claim", CLAIM_WHERE(""), true },
	[CLAIM_NO_HOLDS] = { "mail_claim_no_holds", CLAIM_WHERE("AND d.message_id IS NULL "),
			     true },
	/* $1 id, $2 lease */
	[SENT] = { "mail_sent", "DELETE FROM mail_jobs WHERE id = $1 AND lease_id = $2 RETURNING 1",
		   true },
	/* $1 id, $2 lease, $3 why, $4 final, $5 waits */
	[FAILED] = { "mail_failed",
		     "WITH next AS MATERIALIZED (SELECT j.id, w.at, "
		     "$4::boolean OR w.at >= j.expires_at AS over FROM mail_jobs j, "
		     "LATERAL (SELECT now() + ($5::bigint[])"
		     "[least(j.attempts + 1, cardinality($5::bigint[]))] "
		     "* (0.8 + 0.4 * random()) * interval '1 ms' AS at) w "
		     "WHERE j.id = $1 AND j.lease_id = $2 FOR UPDATE OF j), "
		     "note AS (INSERT INTO message_events (message_id, user_id, stage, outcome, "
		     "detail) SELECT j.message_id, j.user_id, 'hold', 'not_told', "
		     "jsonb_build_object('job', j.id, 'kind', j.kind, 'error', $3::text) "
		     "FROM next n JOIN mail_jobs j ON j.id = n.id "
		     "WHERE n.over AND j.message_id IS NOT NULL) "
		     "UPDATE mail_jobs j SET attempts = j.attempts + 1, last_error = $3, "
		     "lease_id = NULL, lease_until = NULL, "
		     "state = CASE WHEN n.over THEN 'failed' ELSE 'pending' END, "
		     "due_at = CASE WHEN n.over THEN now() ELSE n.at END, "
		     "sealed = CASE WHEN n.over THEN '' ELSE j.sealed END "
		     "FROM next n WHERE j.id = n.id RETURNING n.over",
		     true },
	/* $1 age ms, $2 limit; due_at is when it failed */
	[EXPIRE] = { "mail_expire",
		     "DELETE FROM mail_jobs WHERE id = ANY (ARRAY(SELECT j.id FROM mail_jobs j "
		     "WHERE j.state = 'failed' AND j.due_at < now() - $1::bigint * interval '1 ms' "
		     "ORDER BY j.due_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1",
		     true },
	{ 0 },
};

static enum err seal(const struct keys *keys, struct slice id, const struct store_mail *mail,
		     struct buf *ret)
{
	AUTO(buf_release) struct buf plain = BUF_INIT(PLAIN_MAX);
	struct jsonw w;
	enum err e;

	jsonw_init(&w, &plain);
	jsonw_object(&w);
	jsonw_key_text(&w, "subject", mail->subject);
	jsonw_key_text(&w, "text", mail->text);
	jsonw_key_text(&w, "reply_to", mail->reply_to);
	jsonw_object_end(&w);
	e = buf_check(&plain);
	if (e == OK)
		crypto_seal(keys->key[KEY_MAIL], KEY_VERSION, id, buf_slice(&plain), ret);
	return e;
}

enum err store_mail_add(struct db *db, const struct keys *keys, const struct store_mail *mail,
			struct fail *fail)
{
	char id[ID_MAX];
	AUTO(buf_release) struct buf sealed = BUF_INIT(SEALED_MAX);
	struct db_args args = DB_ARGS_INIT;

	id_new(ID_PREFIX_MAIL, id);
	if (seal(keys, slice_str(id), mail, &sealed))
		return fail_set(fail, ERR_TOO_BIG, "a mail of more than %d bytes", PLAIN_MAX);
	db_arg_text(&args, slice_str(id));
	db_arg_text(&args, slice_str(mail->kind));
	db_arg_text_or_null(&args, mail->user_id);
	db_arg_text(&args, mail->to);
	db_arg_bytes(&args, buf_slice(&sealed));
	db_arg_int(&args, mail->lifetime_ms);
	return db_query(db, &store_mail_stmts[ADD], &args, NULL, fail);
}

/* ---- the worker ---- */

static const struct jsonf_row content_rows[] = {
	{ "subject", JSONF_TEXT, offsetof(struct store_mail_job, subject), JSONF_NO_GIVEN },
	{ "text", JSONF_TEXT, offsetof(struct store_mail_job, text), JSONF_NO_GIVEN },
	{ "reply_to", JSONF_TEXT, offsetof(struct store_mail_job, reply_to), JSONF_NO_GIVEN },
	{ 0 },
};

static enum err unseal(const struct keys *keys, struct slice sealed, struct arena *a,
		       struct store_mail_job *ret)
{
	AUTO(buf_release) struct buf plain = BUF_INIT(PLAIN_MAX);
	enum err e = crypto_open(keys->key[KEY_MAIL], ret->id, sealed, &plain);

	return e ? e : jsonf_read(buf_slice(&plain), content_rows, a, ret);
}

static void read_job(const struct db_rows *r, size_t i, const struct keys *keys, struct arena *a,
		     struct store_mail_job *ret)
{
	*ret = (struct store_mail_job){
		.id = db_text(r, i, 0, a),
		.kind = db_text(r, i, 1, a),
		.to = db_text(r, i, 2, a),
		.attempts = db_int(r, i, 4),
		.created_us = db_time(r, i, 5),
		.expired = db_bool(r, i, 6),
		.message_id = db_text(r, i, 7, a),
	};
	ret->unreadable = unseal(keys, db_slice(r, i, 3), a, ret) != OK;
}

enum err store_mail_claim(struct db *db, const struct keys *keys,
			  const struct store_mail_claim *claim, struct arena *a,
			  struct store_mail_job **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, claim->lease_id);
	db_arg_int(&args, claim->lease_ms);
	db_arg_int(&args, claim->limit);
	e = db_query(db, &store_mail_stmts[claim->no_holds ? CLAIM_NO_HOLDS : CLAIM], &args, &r,
		     fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_job(r, i, keys, a, &(*ret)[i]);
	return OK;
}

enum err store_mail_sent(struct db *db, struct slice id, struct slice lease_id, bool *ret_ours,
			 struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	size_t n;
	enum err e;

	db_arg_text(&args, id);
	db_arg_text(&args, lease_id);
	e = db_query_count(db, &store_mail_stmts[SENT], &args, &n, fail);
	if (e == OK)
		*ret_ours = n > 0;
	return e;
}

enum err store_mail_failed(struct db *db, const struct store_mail_failure *f,
			   enum store_mail_state *ret, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, f->id);
	db_arg_text(&args, f->lease_id);
	db_arg_text(&args, f->why);
	db_arg_bool(&args, f->final);
	db_arg_ints(&args, f->schedule_ms, f->schedule_n);
	e = db_query(db, &store_mail_stmts[FAILED], &args, &r, fail);
	if (e)
		return e;
	if (db_rows_count(r) == 0)
		*ret = STORE_MAIL_LOST;
	else
		*ret = db_bool(r, 0, 0) ? STORE_MAIL_FAILED : STORE_MAIL_PENDING;
	return OK;
}

enum err store_mail_expire(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
			   struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;

	db_arg_int(&args, age_ms);
	db_arg_int(&args, limit);
	return db_query_count(db, &store_mail_stmts[EXPIRE], &args, ret_n, fail);
}
