/* SPDX-License-Identifier: Apache-2.0 */
/* What a reviewer has to see of a mail that waits, of bounded size, as keys of its JSON object. */
#ifndef E2A_APID_HELD_REVIEW_H
#define E2A_APID_HELD_REVIEW_H

#include "apid/req.h"
#include "common/store/store_sent.h"

/*
 * "answers", the id of the mail that it answers, if the agent still has that; while it waits,
 * "body_text" and "body_html" up to HELD_MAIL_SHOWN bytes each, with "body_text_size" and
 * "body_html_size", and "attachments" without their data. What is empty is absent.
 */
enum err held_review_write(struct req *r, const struct store_sent *m, struct fail *fail) MUST_CHECK;

#endif
