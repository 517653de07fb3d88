/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the deployment's own mail. What a mail says is never stored in
 * the clear, because it may hold a token, and goes as soon as the job has ended.
 */
#include "common/store/store_mail.h"

#include "common/base/ids.h"
#include "common/base/jsonf.h"

enum { KEY_VERSION = 1, PLAIN_MAX = 256 * 1024, SEALED_MAX = PLAIN_MAX + CRYPTO_SEAL_OVERHEAD };
enum { ADD };

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
