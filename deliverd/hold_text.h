/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words by which a human is asked about held mail. What the mail says is somebody
 * else's: it is cut, cleaned and escaped, and cannot look like a word of ours.
 */
#ifndef E2A_DELIVERD_HOLD_TEXT_H
#define E2A_DELIVERD_HOLD_TEXT_H

#include "common/base/buf.h"
#include "common/store/store_notice.h"

enum {
	HOLD_TEXT_MAX = 100 * 1024,             /* bytes of held text that are quoted */
	HOLD_TEXT_PART_MAX = 16 * HOLD_TEXT_MAX /* a part never has so many */
};

struct hold_text {
	const struct store_notice *notice;
	bool reminder;
	struct slice approve, reject, dashboard; /* URLs */
};

/* Is all of it in there that the held mail says? Its attachments are named. */
bool hold_text_is_whole(const struct store_notice *n);
/*
 * The subject, in which that of the held mail has at most 60 bytes. The arena is for what
 * happens on the way.
 */
void hold_text_subject(const struct hold_text *t, struct arena *a, struct buf *ret);
/* The two parts. They say the same and have the same links. */
void hold_text_plain(const struct hold_text *t, struct arena *a, struct buf *ret);
void hold_text_html(const struct hold_text *t, struct arena *a, struct buf *ret);

#endif
