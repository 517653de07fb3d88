/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one WebSocket has been told: a cursor over (created_at, id), and the
 * ids of the last few. Messages can become visible a little out of order, when
 * a transaction commits after a later one; so a stretch before the cursor is
 * read again, without those that were told. Nothing is told twice, nothing that
 * becomes visible within WS_STREAM_OVERLAP_US is missed.
 */
#ifndef E2A_APID_WS_STREAM_H
#define E2A_APID_WS_STREAM_H

#include "common/base/ids.h"
#include "common/store/store_message.h"

#define WS_STREAM_OVERLAP_US (30 * 1000000LL)
enum { WS_STREAM_TOLD_MAX = 1024 }; /* more than this in the stretch shorten it */

struct ws_told {
	int64_t created_us;
	char id[ID_MAX];
};

struct ws_stream {
	bool live; /* the backlog from before live_us is done */
	int64_t live_us;
	struct ws_told last;  /* newest that was told */
	struct ws_told floor; /* newest that was told and is remembered no more */
	struct ws_told *told; /* in the order in which they were told */
	size_t told_n, told_cap;
};

/* With `only_new` the backlog counts as done, but for a stretch before live_us. */
void ws_stream_init(struct ws_stream *s, int64_t live_us, bool only_new);
void ws_stream_release(struct ws_stream *s);
/* Fills after, except, backlog and live_us of the next read; texts live in the arena. */
void ws_stream_next(const struct ws_stream *s, struct arena *a, struct store_message_stream *ret);
/* Was this one told? So too when it is too old for another look. */
bool ws_stream_knows(const struct ws_stream *s, int64_t created_us, struct slice id);
/* Notes a message that goes out. */
void ws_stream_tell(struct ws_stream *s, int64_t created_us, struct slice id);
/* A read came to its end; true when the next one may find more at once. */
bool ws_stream_exhausted(struct ws_stream *s);

#endif
