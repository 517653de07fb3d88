/* SPDX-License-Identifier: Apache-2.0 */
/* What a mail says whose body is HTML alone, for a terminal or a program that wants text. */
#ifndef E2A_CLI_HTML_TEXT_H
#define E2A_CLI_HTML_TEXT_H

#include "common/base/buf.h"

enum { HTML_TEXT_EXTRA = 16 };

/*
 * Appends the text of HTML in UTF-8: scripts and styles are gone, blocks are lines, links are
 * followed by their address, entities are characters. At most as many bytes as the input and
 * HTML_TEXT_EXTRA, in time that grows with it. What is no HTML comes out as it is.
 */
void html_text_of(struct slice html, struct buf *ret);

#endif
