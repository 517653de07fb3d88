/* SPDX-License-Identifier: Apache-2.0 */
/* Data in HTML: pages and the HTML part of mails. */
#ifndef E2A_BASE_HTML_H
#define E2A_BASE_HTML_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * Appends data, safe as text of an element and as the value of an attribute in
 * double quotes. What is not UTF-8 and control characters become U+FFFD.
 */
void html_text(struct buf *out, struct slice s);

#endif
