/* SPDX-License-Identifier: Apache-2.0 */
/* A page of an agent's mail as JSON. */
#ifndef E2A_APID_MESSAGE_PAGE_H
#define E2A_APID_MESSAGE_PAGE_H

#include "apid/page_query.h"
#include "common/store/store_message.h"

/*
 * Answers with the messages. `next`, unless NULL, is where the next page begins that is there
 * already; `cursor`, unless NULL, where to go on in any case.
 */
void message_page_write(struct req *r, const struct store_message *v, size_t n,
			const struct page_token *next, const struct page_token *cursor);

#endif
