/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of messages become structs. The order here is that of the column lists in the header. */
#include "common/store/store_message_row.h"

static struct slice cell(const struct db_rows *r, size_t row, int col, struct arena *a)
{
	return arena_slice(a, db_slice(r, row, col));
}

static void cell_texts(const struct db_rows *r, size_t row, int col, struct arena *a,
		       struct slice **ret, size_t *ret_n)
{
	db_slices(r, row, col, a, ret, ret_n);
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = arena_slice(a, (*ret)[i]);
}

void store_message_row_notice(const struct db_rows *r, size_t row, struct arena *a,
			      struct store_message *ret)
{
	ret->id = cell(r, row, 0, a);
	ret->created_us = db_time(r, row, 1);
	ret->from = cell(r, row, 2, a);
	ret->recipient = cell(r, row, 3, a);
	ret->subject = cell(r, row, 4, a);
	ret->conversation_id = cell(r, row, 5, a);
}

void store_message_row_summary(const struct db_rows *r, size_t row, struct arena *a,
			       struct store_message *ret)
{
	store_message_row_notice(r, row, a, ret);
	cell_texts(r, row, 6, a, &ret->reply_to, &ret->reply_to_n);
	cell_texts(r, row, 7, a, &ret->to, &ret->to_n);
	cell_texts(r, row, 8, a, &ret->cc, &ret->cc_n);
	ret->status = db_is_null(r, row, 9) ? S("unread") : cell(r, row, 9, a);
	ret->verified = db_bool(r, row, 10);
	ret->auto_submitted = cell(r, row, 11, a);
}
