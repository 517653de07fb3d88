/* SPDX-License-Identifier: Apache-2.0 */
/* Stored mails in pieces. What was fetched for the scan is dropped before the next piece. */
#include "apid/stored_mail.h"

enum { PIECE = 256 * 1024 };

struct stored_mail stored_mail_of(const struct store_message *m)
{
	return (struct stored_mail){ m->raw_id, m->raw_size, m->raw_head };
}

bool stored_mail_is_small(const struct stored_mail *m)
{
	return m->raw_id.n == 0 || m->size == (int64_t)m->head.n;
}

enum err stored_mail_read(const struct stored_mail *m, struct db *db, int64_t offset, int64_t n,
			  struct buf *ret, struct fail *fail)
{
	if (offset + n > (int64_t)m->head.n)
		return store_message_raw(db, m->raw_id, offset, n, ret, fail);
	buf_add_slice(ret, slice_sub(m->head, (size_t)offset, (size_t)(offset + n)));
	return buf_check(ret);
}

enum err stored_mail_scan(const struct stored_mail *m, struct db *db, struct arena *a,
			  struct mime_tree *ret, struct fail *fail)
{
	AUTO(mime_scan_freep) struct mime_scan *scan = mime_scan_new();
	AUTO(buf_release) struct buf piece = BUF_INIT(PIECE);

	mime_scan_feed(scan, m->head);
	for (int64_t at = (int64_t)m->head.n; at < m->size && !mime_scan_done(scan); at += PIECE) {
		int64_t n = m->size - at < PIECE ? m->size - at : PIECE;
		enum err e;

		buf_reset(&piece);
		e = stored_mail_read(m, db, at, n, &piece, fail);
		if (e)
			return e;
		mime_scan_feed(scan, buf_slice(&piece));
	}
	mime_scan_end(scan, a, ret);
	return OK;
}
