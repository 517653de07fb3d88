/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small HTML pages for people: signing in, consent, decisions. A page is one
 * document without anything from elsewhere, is never kept, framed, indexed or
 * told to others (Referer), and may post only to where its head says. It reads
 * well on a phone, in the dark and in a text browser.
 */
#ifndef E2A_APID_PAGE_H
#define E2A_APID_PAGE_H

#include "apid/req.h"

#define PAGE_POST_SELF "'self'"

struct page_head {
	const char *title;
	const char *posts_to; /* CSP source (CSP 3, 2.3.1) of what its forms post to; NULL: none */
	const char *nonce;    /* of its one script; NULL: it has none */
	bool wide;            /* it shows more than a few sentences */
};

/* Begins the answer with its headers and the heading. The caller adds what follows, then ends it.
 */
struct buf *page_begin(struct req *r, int status, const struct page_head *head);
void page_end(struct buf *out);

/*
 * Appends data, safe as text of an element and as the value of an attribute in
 * double quotes. What is not UTF-8 and control characters become U+FFFD.
 */
void page_text(struct buf *out, struct slice s);
/*
 * Text of a mail that somebody has to judge, safe as text of an element. Line ends of any kind
 * are those of the page; what turns text around, or is there and not seen, is named by its
 * code point.
 */
void page_mail_text(struct buf *out, struct slice s);
/* <p>text</p> */
void page_paragraph(struct buf *out, const char *text);
/* <input type="hidden">; nothing when the value is empty. */
void page_hidden(struct buf *out, const char *name, struct slice value);
/* A whole page that says one thing. */
void page_message(struct req *r, int status, const char *title, const char *text);

#endif
