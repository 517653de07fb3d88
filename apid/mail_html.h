/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTML of a mail as a document of its own, for a frame of the dashboard. It is a
 * stranger's: it runs no script, sends no form, loads nothing, asks no name server and has no
 * origin, whoever opens it and however.
 */
#ifndef E2A_APID_MAIL_HTML_H
#define E2A_APID_MAIL_HTML_H

#include "apid/req.h"

enum { MAIL_HTML_PIECE_MAX = 120 * 1024 };

/*
 * Answers with the headers that hold it, and with what `html` makes: UTF-8 in pieces of at most
 * MAIL_HTML_PIECE_MAX bytes; none appended is the end. It is taken over.
 */
void mail_html_answer(struct req *r, const struct resp_source *html);

#endif
