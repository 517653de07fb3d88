/* SPDX-License-Identifier: Apache-2.0 */
/* A list of mail that a client goes on with for ever, and that may wait for mail (long poll). */
#ifndef E2A_APID_MESSAGE_NEWS_H
#define E2A_APID_MESSAGE_NEWS_H

#include "apid/page_token.h"
#include "apid/req.h"
#include "common/store/store_message_list.h"

/*
 * Answers with a page and a `cursor`. When the page is empty it waits up to `wait_ms` for one
 * that is not. The texts of `agent` live as long as the request.
 */
void message_news(struct req *r, const struct store_agent *agent, struct slice list,
		  const struct store_message_page *page, const struct page_token *token,
		  int64_t wait_ms);

#endif
