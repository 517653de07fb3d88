/* SPDX-License-Identifier: Apache-2.0 */
/* The one form in which clients see mail that an agent wrote. */
#ifndef E2A_APID_SENT_JSON_H
#define E2A_APID_SENT_JSON_H

#include "apid/page_token.h"
#include "apid/req.h"
#include "common/store/store_sent.h"

enum sent_view {
	SENT_FOR_AGENT,   /* which neither reads nor decides holds */
	SENT_FOR_ACCOUNT, /* also whether it had to wait for a human, and what became of that */
	SENT_HELD,        /* what a list of held mail has */
};

/* Its keys, into an object of the caller's. */
void sent_json_keys(struct jsonw *w, const struct store_sent *m, enum sent_view view);
/* Answers with n of them; `next` is where the list goes on, or NULL. */
void sent_json_page(struct req *r, const struct store_sent *v, size_t n, enum sent_view view,
		    const struct page_token *next);

#endif
