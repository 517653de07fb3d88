/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of an agent's mail and of its conversations. However large the mailbox,
 * a page looks at a fixed number of rows; a page that found less than was asked
 * for may therefore still have a next one.
 */
#ifndef E2A_STORE_STORE_MESSAGE_LIST_H
#define E2A_STORE_STORE_MESSAGE_LIST_H

#include "common/store/store_message.h"
#include "common/store/store_moment.h"

extern const struct db_stmt store_message_list_stmts[];

enum { CONVERSATION_MESSAGES_MAX = 100 }; /* messages that are counted */

enum store_message_filter { STORE_MESSAGE_UNREAD, STORE_MESSAGE_READ, STORE_MESSAGE_ALL };

#define STORE_MESSAGE_ALL_TIME .since_us = INT64_MIN, .until_us = INT64_MAX

struct store_message_page {
	struct slice user_id;
	struct slice agent; /* email */
	enum store_message_filter filter;
	bool newest_first;
	struct slice conversation_id; /* empty: of any, or of none */
	struct slice from;            /* part of the address, in any case; empty: any */
	struct slice subject;         /* the same */
	int64_t since_us, until_us;   /* created at or after, and before */
	struct store_message_key after;
	/*
	 * With `upto` (oldest first only) the list is what could be seen at that moment, without
	 * what could be seen at `told`; one that goes on from a moment has no `after` at first.
	 */
	struct store_moment told, upto;
	int64_t limit;
};

struct store_message_next {
	bool more;
	struct store_message_key key; /* the `after` of the next page, in the arena */
};

/* At most `limit` messages behind `after`, in order. */
enum err store_message_list(struct db *db, const struct store_message_page *page, struct arena *a,
			    struct store_message **ret, size_t *ret_n,
			    struct store_message_next *ret_next, struct fail *fail) MUST_CHECK;

struct store_conversation {
	struct store_message last; /* its latest message, as a notice */
	int64_t messages, unread;  /* of the latest CONVERSATION_MESSAGES_MAX or one more */
	bool capped;               /* there are more messages than that */
};

struct store_conversation_page {
	struct slice user_id;
	struct slice agent;
	struct store_message_key after; /* of a latest message */
	int64_t as_of_us;               /* later mail is not looked at; INT64_MAX: no such time */
	int64_t limit;
};

/*
 * Conversations by their latest message, newest first. Pages that go on with the
 * as_of_us of the first one, which is *ret_as_of_us, show each conversation once
 * whatever arrives meanwhile.
 */
enum err store_conversation_list(struct db *db, const struct store_conversation_page *page,
				 struct arena *a, struct store_conversation **ret, size_t *ret_n,
				 struct store_message_next *ret_next, int64_t *ret_as_of_us,
				 struct fail *fail) MUST_CHECK;

#endif
