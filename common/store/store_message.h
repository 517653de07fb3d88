/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as their agent sees them: single messages, and the stream that feeds a
 * WebSocket; pages are in store_message_list.h. Inbound and not expired throughout; every look-up
 * names user and agent, so that a foreign message looks absent. Order is
 * (created_at, id), oldest first.
 */
#ifndef E2A_STORE_STORE_MESSAGE_H
#define E2A_STORE_STORE_MESSAGE_H

#include "common/base/buf.h"
#include "common/store/db.h"
#include "common/store/store_listener.h"

extern const struct db_stmt store_message_stmts[];

struct store_message {
	struct slice id;
	int64_t created_us;
	struct slice from; /* header From */
	struct slice *reply_to;
	size_t reply_to_n;
	struct slice *to;
	size_t to_n;
	struct slice *cc;
	size_t cc_n;
	struct slice recipient; /* as in RCPT TO */
	struct slice subject;   /* decoded */
	struct slice conversation_id;
	struct slice status; /* "unread" or "read" */
	bool verified;
	struct slice auto_submitted; /* Auto-Submitted, or empty */
	/* store_message_read() only */
	struct slice sender;
	struct slice envelope_sender;  /* as in MAIL FROM; empty: the null sender */
	struct slice email_message_id; /* Message-ID as it came, or empty */
	struct slice entity_type, delegation;
	struct slice domain_check;
	struct slice sha256;         /* 32 bytes */
	struct slice authentication; /* JSON text, or empty */
	struct slice raw_id;         /* empty when no bytes are kept */
	int64_t raw_size;
	struct slice raw_head; /* the first bytes of the raw message */
};

/* A place in the order; an empty id stands before everything. */
struct store_message_key {
	int64_t created_us;
	struct slice id;
};

struct store_message_read {
	struct slice user_id;
	struct slice agent; /* email */
	struct slice id;
	bool peek;        /* leave an unread message unread */
	int64_t head_max; /* bytes of the raw message to bring along */
};

/*
 * One message. An unread one becomes read in the same statement unless it is larger than
 * head_max: the caller has to read on, and may fail. ERR_NOT_FOUND.
 */
enum err store_message_read(struct db *db, const struct store_message_read *what, struct arena *a,
			    struct store_message *ret, struct fail *fail) MUST_CHECK;
/* Marks the message read that store_message_read() left unread for its size. */
enum err store_message_mark_read(struct db *db, const struct store_message_read *what,
				 struct fail *fail) MUST_CHECK;
/*
 * Appends `n` bytes of a raw message from `offset`. The id comes from
 * store_message_read(). ERR_NOT_FOUND when those bytes are not there any more.
 */
enum err store_message_raw(struct db *db, struct slice raw_id, int64_t offset, int64_t n,
			   struct buf *ret, struct fail *fail) MUST_CHECK;

/*
 * What a WebSocket that was opened at `live_us` has still to be told: unread
 * messages from before that time, and every message from then on. `after` is
 * where to go on, `except` names messages behind it that were told already.
 */
struct store_message_stream {
	struct slice user_id;
	struct slice agent; /* email */
	struct store_listener listener;
	bool backlog; /* only messages from before live_us */
	int64_t live_us;
	struct store_message_key after;
	const struct slice *except;
	size_t except_n;
	int64_t limit;
};

/*
 * Fills id, created_us, from, recipient, subject, conversation_id. ERR_FORBIDDEN when the
 * listener may listen no longer.
 */
enum err store_message_stream(struct db *db, const struct store_message_stream *s, struct arena *a,
			      struct store_message **ret, size_t *ret_n,
			      struct fail *fail) MUST_CHECK;
/* The database's clock: what created_at is made of. */
enum err store_message_clock(struct db *db, int64_t *ret_us, struct fail *fail) MUST_CHECK;

struct store_message_recent {
	struct slice agent; /* email */
	struct slice id;
	int64_t created_us;
};

/*
 * What any agent got within the last `window_ms`, the newest mails first, `limit` of them; each may
 * have several recipients. An empty `place` begins; it is then where to go on, and empty at the
 * end.
 */
enum err store_message_recent(struct db *db, int64_t window_ms, int64_t limit, struct arena *a,
			      struct store_message_key *place, struct store_message_recent **ret,
			      size_t *ret_n, struct fail *fail) MUST_CHECK;

#endif
