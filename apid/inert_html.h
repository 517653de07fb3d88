/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML of a stranger, made so that a browser which shows it asks nobody for anything: a policy
 * (CSP) stops loads, but not that names are resolved and connections made beforehand, for <link>,
 * <iframe> and <a>. So every element that is not known to be harmless gets a name that means
 * nothing: <link> becomes <x-link>. What stands in it stays.
 */
#ifndef E2A_APID_INERT_HTML_H
#define E2A_APID_INERT_HTML_H

#include "common/base/buf.h"
#include "common/base/slice.h"

enum {
	INERT_HTML_NAME_MAX = 10,                   /* bytes of the longest harmless name */
	INERT_HTML_GROWTH = 2,                      /* times as long the output may be, */
	INERT_HTML_EXTRA = INERT_HTML_NAME_MAX + 2, /* and so much more */
};

/* Zeroed at first. */
struct inert_html {
	enum { INERT_HTML_TEXT, INERT_HTML_OPEN, INERT_HTML_CLOSE, INERT_HTML_NAME } state;
	char name[INERT_HTML_NAME_MAX]; /* as much of an element's name as was seen */
	size_t n;
};

/* Appends HTML without NUL, in whatever pieces. */
void inert_html_feed(struct inert_html *h, struct slice in, struct buf *out);
void inert_html_end(struct inert_html *h, struct buf *out);

#endif
