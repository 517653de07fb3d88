/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a mail, as the last keys of its JSON object: "text", "html" and
 * "raw_message". A small mail is written at once, a large one while it goes out.
 */
#ifndef E2A_APID_MESSAGE_CONTENT_H
#define E2A_APID_MESSAGE_CONTENT_H

#include "apid/req.h"
#include "apid/stored_mail.h"

/*
 * Writes the keys into the JSON of r's answer, or makes them its source. Everything is
 * borrowed until the answer is gone: it has to be in r's arena.
 */
enum err message_content_write(struct req *r, const struct stored_mail *mail,
			       const struct mime_tree *tree, struct fail *fail) MUST_CHECK;

#endif
