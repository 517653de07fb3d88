/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mail says that waits for a human, in pieces: texts and attachments may be 25 MB. Every
 * statement asks whether it still waits; whose it is is said by the user alone.
 */
#ifndef E2A_STORE_STORE_HOLD_H
#define E2A_STORE_STORE_HOLD_H

#include "common/base/buf.h"
#include "common/store/db.h"

extern const struct db_stmt store_hold_stmts[];

struct store_hold_file {
	struct slice filename, content_type;
	int64_t size;
};

struct store_hold {
	int64_t text_bytes, html_bytes;
	struct store_hold_file *files;
	size_t files_n;
};

/* ERR_NOT_FOUND when there is no such mail that waits. */
enum err store_hold_find(struct db *db, struct slice user_id, struct slice id, struct arena *a,
			 struct store_hold *ret, struct fail *fail) MUST_CHECK;

/*
 * How long the texts are when each CR and each LF is two bytes, as lines of mail at most make
 * them. ERR_NOT_FOUND as before.
 */
enum err store_hold_line_bytes(struct db *db, struct slice user_id, struct slice id,
			       int64_t *ret_text, int64_t *ret_html, struct fail *fail) MUST_CHECK;

enum store_hold_part { STORE_HOLD_TEXT, STORE_HOLD_HTML, STORE_HOLD_FILE };

struct store_hold_place {
	enum store_hold_part part;
	size_t file; /* of STORE_HOLD_FILE, from 0 */
	int64_t offset;
};

/* Appends n bytes, which must be there. ERR_NOT_FOUND when it waits no more. */
enum err store_hold_read(struct db *db, struct slice user_id, struct slice id,
			 const struct store_hold_place *at, int64_t n, struct buf *ret,
			 struct fail *fail) MUST_CHECK;

#endif
