/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stored about a user, as JSON: one table of parts, each a list of
 * objects that is read in pages by (created_at, id). Hashes, sealed secrets and
 * the subjects of identities are in none of them.
 */
#ifndef E2A_STORE_STORE_EXPORT_H
#define E2A_STORE_STORE_EXPORT_H

#include "common/store/db.h"

extern const struct db_stmt store_export_stmts[];

struct store_export_part {
	const char *key;    /* of the list in the document; NULL ends the table */
	const char *tables; /* that it is made of, separated by blanks */
	bool if_any;        /* left out when it is empty */
	bool with_raw;      /* the objects go on with bytes of a mail, or with what one says */
	int stmt;
};

extern const struct store_export_part store_export_parts[];

/* Tables with data of users that no part shows, and why. `table` NULL ends it. */
struct store_export_omission {
	const char *table;
	const char *reason;
};

extern const struct store_export_omission store_export_omissions[];

enum {
	/* of the mail, that come with its row; a multiple of 3, for base64 */
	STORE_EXPORT_HEAD = 24 * 1024,
};

struct store_export_row {
	int64_t created_us;
	struct slice id;
	struct slice json; /* an object that is not empty */
	/* with_raw: */
	bool held;           /* it says what a human has still to read; not in the JSON */
	struct slice raw_id; /* empty: no bytes are kept */
	int64_t raw_size;
	struct slice raw_head; /* at most STORE_EXPORT_HEAD */
};

/* The object that everything stands in, so far: when, which schema, the user. ERR_NOT_FOUND. */
enum err store_export_begin(struct db *db, struct slice user_id, struct arena *a, struct slice *ret,
			    struct fail *fail) MUST_CHECK;
/*
 * The next rows behind `after_us` and `after_id`, oldest first; none: that was all.
 * The rows live in the arena, their slices in *ret_rows, which the caller frees.
 */
enum err store_export_page(struct db *db, const struct store_export_part *part,
			   struct slice user_id, int64_t after_us, struct slice after_id,
			   struct arena *a, struct store_export_row **ret, size_t *ret_n,
			   struct db_rows **ret_rows, struct fail *fail) MUST_CHECK;

#endif
