/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of one agent's mail who goes on where the last page ended, for as long as they like:
 * behind the last page is what could not be seen when it was read (store_moment.h). The place
 * is a page token, so a reader can come back anywhere and at any time. Nothing is marked read.
 */
#ifndef E2A_APID_MESSAGE_WATCH_H
#define E2A_APID_MESSAGE_WATCH_H

#include "apid/page_token.h"
#include "apid/req.h"
#include "common/store/store_message_list.h"

struct watch {
	const struct principal *principal; /* borrowed */
	struct slice address;              /* of the agent, folded; borrowed */
	struct store_message_page page;    /* filters and limit; texts borrowed */
	struct arena arena;                /* of what follows, anew with each page */
	struct page_token at;              /* where the next page begins */
	struct store_message *v;           /* the page that was read last */
	size_t n;
	bool more;                      /* there is something behind it now */
	struct store_moment told, upto; /* between which it is */
};

/* At the place of a token of this list; of one without moments behind its message. */
void watch_init(struct watch *w, const struct principal *principal, const struct store_agent *agent,
		const struct store_message_page *page, const struct page_token *at);
void watch_release(struct watch *w);
/*
 * May the reader go on? ERR_UNAUTHORIZED when the credential is no longer good, ERR_NOT_FOUND
 * when there is no such agent any more.
 */
enum err watch_check(const struct watch *w, struct db *db, struct fail *fail) MUST_CHECK;
/* Goes to now: there is nothing but what cannot be seen yet. */
enum err watch_skip(struct watch *w, struct db *db, struct fail *fail) MUST_CHECK;
/* Reads the next page; stays where it is when that fails. */
enum err watch_read(struct watch *w, struct db *db, struct fail *fail) MUST_CHECK;
/* The place behind message `i` of the page. Borrows from it. */
struct page_token watch_behind(const struct watch *w, size_t i);
/* Goes back to there. */
void watch_return(struct watch *w, size_t i);

#endif
