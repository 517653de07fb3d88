/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tokens: where a list goes on. base64url of compact JSON
 *     {"c":<created_at>,"i":<message id>,"s":<filter>,"a":<agent>,"m":<MAC>}
 * The MAC binds the token to the user, the agent and the filter, so a token
 * can neither be made up nor used for another list.
 */
#ifndef E2A_APID_PAGE_TOKEN_H
#define E2A_APID_PAGE_TOKEN_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

enum { PAGE_TOKEN_MAX = 2048 };

struct page_token {
	int64_t created_us;
	struct slice id;
	struct slice filter;
	struct slice agent; /* email */
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
