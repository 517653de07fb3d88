/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a stored mail: the first of them in memory, the others fetched when
 * they are asked for. A large mail is never held whole.
 */
#ifndef E2A_APID_STORED_MAIL_H
#define E2A_APID_STORED_MAIL_H

#include "common/mail/mime_tree.h"
#include "common/store/store_message.h"

enum { STORED_MAIL_HEAD = 96 * 1024 }; /* bytes that come with the row of the message */

struct stored_mail {
	struct slice raw_id; /* empty: no bytes are kept */
	int64_t size;
	struct slice head;
};

/* True when the head is all of it, and nothing asks the database. */
bool stored_mail_is_small(const struct stored_mail *m);
/*
 * Appends the n bytes at `offset`, which must be there. ERR_NOT_FOUND when the mail was
 * deleted meanwhile.
 */
enum err stored_mail_read(const struct stored_mail *m, struct db *db, int64_t offset, int64_t n,
			  struct buf *ret, struct fail *fail) MUST_CHECK;

/* A message with its bytes and its parts; all of it is in the arena. */
struct stored_message {
	struct store_message row;
	struct stored_mail mail;
	struct mime_tree tree;
};

/* store_message_read(), and the parts of what it found. */
enum err stored_message_read(struct db *db, const struct store_message_read *what, struct arena *a,
			     struct stored_message *ret, struct fail *fail) MUST_CHECK;

#endif
