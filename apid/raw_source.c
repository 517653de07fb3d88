/* SPDX-License-Identifier: Apache-2.0 */
/* A stored mail on its way out. One that goes away meanwhile breaks the answer off. */
#include "apid/raw_source.h"

#include "common/base/encode.h"
#include "common/store/store_message.h"

enum { PIECE = RESP_PIECE_MAX / 4 * 3 }; /* bytes of mail */

struct raw {
	struct slice id;
	int64_t size, done;
};

static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct raw *r = arg;
	AUTO(buf_release) struct buf bytes = BUF_INIT(PIECE);
	int64_t n = r->size - r->done < PIECE ? r->size - r->done : PIECE;
	enum err e = store_message_raw(db, r->id, r->done, n, &bytes, fail);

	if (e)
		return e;
	base64_encode(buf_slice(&bytes), piece);
	r->done += n;
	return OK;
}

struct resp_source raw_source(struct slice raw_id, int64_t size, size_t at, struct arena *a)
{
	struct raw *r = arena_calloc(a, 1, sizeof(*r));

	r->id = arena_slice(a, raw_id);
	r->size = size;
	return (struct resp_source){
		.next = next_piece,
		.arg = r,
		.size = (size + 2) / 3 * 4,
		.at = at,
	};
}
