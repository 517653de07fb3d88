/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query of a list of messages: filters and order. The token of a page is bound
 * to all of them, so that a page never goes on in another list than the one it
 * came from.
 */
#ifndef E2A_APID_MESSAGE_QUERY_H
#define E2A_APID_MESSAGE_QUERY_H

#include "apid/page_query.h"
#include "apid/stored_mail.h"
#include "common/store/store_message_list.h"

enum {
	QUERY_TEXT_MAX = 200,         /* code points of `from` and `subject_contains` */
	QUERY_CONVERSATION_MAX = 998, /* bytes */
	QUERY_WAIT_MAX_S = 60,
};

struct message_wait {
	bool given; /* the list shall be one that can be gone on with for ever */
	int64_t ms; /* how long it may wait for mail when there is none; 0: not at all */
};

/*
 * Fills the filters, the order and the limit of a page; *ret_list names them for
 * the token, in r's arena. False, with 400 as answer, when one of them is wrong.
 */
bool message_query_filters(struct req *r, struct store_message_page *ret, struct slice *ret_list);

/*
 * Reads `wait`. False, with 400 as answer, when it is no number of seconds, or when the list is
 * none that grows at its end. More than QUERY_WAIT_MAX_S counts as that.
 */
bool message_query_wait(struct req *r, const struct store_message_page *page,
			struct message_wait *ret);

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
