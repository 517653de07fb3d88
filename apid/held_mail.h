/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Held mail for a human to judge: as part of a page, and each of its parts as a file. All
 * of it is somebody else's text; nothing of it is markup, and no browser may take a part
 * for a page of ours.
 */
#ifndef E2A_APID_HELD_MAIL_H
#define E2A_APID_HELD_MAIL_H

#include "apid/req.h"
#include "common/store/store_hold.h"
#include "common/store/store_sent.h"

enum { HELD_MAIL_SHOWN = 256 * 1024 }; /* bytes of a text that a page shows */

struct held_mail {
	struct store_sent sent;
	struct store_hold hold;
	struct slice text, html; /* at most HELD_MAIL_SHOWN bytes, whole characters */
};

/* In the arena of the request. ERR_NOT_FOUND: the user has no such mail that waits. */
enum err held_mail_find(struct req *r, struct slice user_id, struct slice id, struct held_mail *ret,
			struct fail *fail) MUST_CHECK;

/* <dl> with who writes to whom about what, and until when it waits. */
void held_mail_write_head(struct buf *out, const struct held_mail *m);
/* Why it waits, and what it answers. */
void held_mail_write_notes(struct buf *out, const struct held_mail *m);
/*
 * The texts and a list of attachments. Each part has a link: `link` and behind it the name
 * that held_mail_send() knows it by.
 */
void held_mail_write_text(struct buf *out, const struct held_mail *m, struct slice link);
void held_mail_write_rest(struct buf *out, const struct held_mail *m, struct slice link);

/*
 * Answers with the bytes of a part, to be saved: "text", "html", or the number of an
 * attachment from 0. ERR_NOT_FOUND: there is no such part of such mail. `user_id` and `id`
 * have to be in r's arena.
 */
enum err held_mail_send(struct req *r, struct slice user_id, struct slice id, struct slice part,
			struct fail *fail) MUST_CHECK;
/* The same with its HTML, to be shown (mail_html.h). */
enum err held_mail_show_html(struct req *r, struct slice user_id, struct slice id,
			     struct fail *fail) MUST_CHECK;

#endif
