/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mail says that waits for a human, as the last keys of its JSON object:
 * "body_text", "body_html" and "attachments", each absent when it is empty. A small one
 * is written at once, a large one while it goes out.
 */
#ifndef E2A_APID_HELD_CONTENT_H
#define E2A_APID_HELD_CONTENT_H

#include "apid/req.h"

/*
 * Writes the keys into the JSON of r's answer, or makes them its source. `id` has to be in r's
 * arena. Nothing when the mail waits no more.
 */
enum err held_content_write(struct req *r, struct slice id, struct fail *fail) MUST_CHECK;

/*
 * The same keys, a comma before each of them, in steps; one appends at most RESP_PIECE_MAX
 * bytes. Ids and arena outlive it. ERR_NOT_FOUND when the mail waits no more.
 */
struct held_content;
enum err held_content_open(struct db *db, struct slice user_id, struct slice id, struct arena *a,
			   struct held_content **ret, struct fail *fail) MUST_CHECK;
bool held_content_done(const struct held_content *h);
enum err held_content_step(struct held_content *h, struct db *db, struct buf *out,
			   struct fail *fail) MUST_CHECK;
void held_content_close(struct held_content *h);

#endif
