/* SPDX-License-Identifier: Apache-2.0 */
/* What the queries of all lists that come in pages have in common: page size and token. */
#ifndef E2A_APID_PAGE_QUERY_H
#define E2A_APID_PAGE_QUERY_H

#include "apid/page_token.h"
#include "apid/req.h"

/* What a page size may be; what is no number, or 0, is as if it were not there. */
int64_t page_query_size(const struct req *r);
/* The same for a list that has always given all it can: the largest page where none is asked for.
 */
int64_t page_query_size_or_all(const struct req *r);
/*
 * Reads the token, if there is one, into *ret (which is zeroed otherwise). False, with 400
 * as answer, unless it was made for this list, and this agent where a list is an agent's.
 */
bool page_query_token(struct req *r, struct slice list, struct slice agent, struct page_token *ret);
/* The same for a token that did not come in the query. */
bool page_query_text(struct req *r, struct slice text, struct slice list, struct slice agent,
		     struct page_token *ret);
/* Writes "next_token". */
void page_query_next(struct req *r, const struct page_token *next);
/* The same under another name. */
void page_query_write(struct req *r, const char *key, const struct page_token *t);

#endif
