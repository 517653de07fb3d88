/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages have in common to which a mailed link leads: the token, and who asks. */
#ifndef E2A_APID_LINK_PAGE_H
#define E2A_APID_LINK_PAGE_H

#include "apid/page.h"

/* False, with a page as answer, for a token that mail programs or hands have cut. */
bool link_page_token(struct req *r, struct slice token);
/* 410: it is unknown, replaced or too old. */
void link_page_useless(struct req *r);

/* `before`, and a name. It may hold anything, also what turns text around. */
void link_page_who(struct buf *out, const char *before, struct slice who);
/* "<p>agent is a program ... belongs to owner": the caller ends sentence and paragraph. */
void link_page_agent(struct buf *out, struct slice agent, struct slice owner_email,
		     struct slice owner_name);
/* A button of the name `action`; NULL: none. */
void link_page_button(struct buf *out, const char *action, const char *text, bool less);

#endif
