/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query of a list of messages: filters, order, page size and page token. A
 * token is bound to all filters and the order, so that a page never goes on in
 * another list than the one it came from.
 */
#ifndef E2A_APID_MESSAGE_QUERY_H
#define E2A_APID_MESSAGE_QUERY_H

#include "apid/page_token.h"
#include "apid/req.h"
#include "apid/stored_mail.h"
#include "common/store/store_message_list.h"

enum {
	QUERY_TEXT_MAX = 200,         /* code points of `from` and `subject_contains` */
	QUERY_CONVERSATION_MAX = 998, /* bytes */
};

/* What a page size may be; what is no number, or 0, is as if it were not there. */
int64_t message_query_page_size(const struct req *r);
/*
 * Fills the filters, the order and the limit of a page; *ret_list names them for
 * the token, in r's arena. False, with 400 as answer, when one of them is wrong.
 */
bool message_query_filters(struct req *r, struct store_message_page *ret, struct slice *ret_list);
/*
 * Reads the token, if there is one, into *ret (which is zeroed otherwise). False, with 400
 * as answer, unless it was made for this list of this agent.
 */
bool message_query_token(struct req *r, struct slice list, struct slice agent,
			 struct page_token *ret);
/* Writes "next_token". */
void message_query_next(struct req *r, const struct page_token *next);

/*
 * Answers for the message that the path names: `show` writes the answer, its
 * ERR_NOT_FOUND is 404 and any other failure the `failed` text. `peek` leaves an
 * unread message unread.
 */
void message_query_one(struct req *r, bool peek,
		       enum err (*show)(struct req *r, const struct store_message_read *what,
					struct fail *fail),
		       const char *failed);

#endif
