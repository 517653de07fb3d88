/* SPDX-License-Identifier: Apache-2.0 */
/* Stored mails in pieces. What was fetched for the scan is dropped before the next piece. */
#include "apid/stored_mail.h"

enum { PIECE = 256 * 1024 };

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

/* Finds the parts. */
static enum err scan_parts(const struct stored_mail *m, struct db *db, struct arena *a,
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

enum err stored_message_read(struct db *db, const struct store_message_read *what, struct arena *a,
			     struct stored_message *ret, struct fail *fail)
{
	struct stored_message m;
	enum err e = store_message_read(db, what, a, &m.row, fail);

	if (e)
		return e;
	m.mail = (struct stored_mail){ m.row.raw_id, m.row.raw_size, m.row.raw_head };
	e = scan_parts(&m.mail, db, a, &m.tree, fail);
	if (e == OK)
		*ret = m;
	return e;
}
