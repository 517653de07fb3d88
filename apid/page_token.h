/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tokens: where a list goes on. base64url of compact JSON
 *     {"c":<created_at>,"i":<message id>,"s":<list>,"a":<agent>,"b":<as of>,
 *      "t":<told>,"u":<up to>,"m":<MAC>}
 * The MAC binds the token to the user, the agent and the list (its filters and
 * order), so a token can neither be made up nor used for another list.
 */
#ifndef E2A_APID_PAGE_TOKEN_H
#define E2A_APID_PAGE_TOKEN_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/store/store_moment.h"

enum { PAGE_TOKEN_MAX = 6144 };

struct page_token {
	int64_t created_us;
	struct slice id;
	struct slice filter; /* which list, see message_query.h */
	struct slice agent;  /* email */
	int64_t as_of_us;    /* a list that shows the state of one time; 0: it does not */
	struct store_moment told, upto; /* a list that goes on for ever, see message_watch.h */
};

void page_token_write(const struct page_token *t, struct slice user_id, struct slice key,
		      struct buf *ret);
/*
 * ERR_INPUT when the text is no token of ours for this user. Filter and agent
 * are for the caller to compare: the answers differ.
 */
enum err page_token_read(struct slice text, struct slice user_id, struct slice key, struct arena *a,
			 struct page_token *ret) MUST_CHECK;

#endif
