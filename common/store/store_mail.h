/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail of the deployment itself (sign-in links, feedback): jobs that e2a-deliverd
 * sends. What is to be said lies sealed, because it may hold a token.
 */
#ifndef E2A_STORE_STORE_MAIL_H
#define E2A_STORE_STORE_MAIL_H

#include "common/base/keys.h"
#include "common/store/db.h"

extern const struct db_stmt store_mail_stmts[];

struct store_mail {
	const char *kind;      /* "sign_in", "feedback" */
	struct slice user_id;  /* empty: nobody's */
	struct slice to;       /* addr-spec */
	struct slice reply_to; /* addr-spec, or empty */
	struct slice subject;  /* UTF-8, one line */
	struct slice text;     /* UTF-8, lines ended by LF */
	int64_t lifetime_ms;   /* of no use after that */
};

/* Adds a job, to be called in the transaction of what it is about, and wakes deliverd. */
enum err store_mail_add(struct db *db, const struct keys *keys, const struct store_mail *mail,
			struct fail *fail) MUST_CHECK;

#endif
