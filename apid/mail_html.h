/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTML of a mail as a document of its own, for a frame of the dashboard. It is a
 * stranger's: it runs no script, sends no form, loads nothing and has no origin, whoever opens
 * it and however.
 */
#ifndef E2A_APID_MAIL_HTML_H
#define E2A_APID_MAIL_HTML_H

#include "apid/req.h"

/* Begins the answer with the headers that hold it; the body is UTF-8. */
struct buf *mail_html_begin(struct req *r);

#endif
