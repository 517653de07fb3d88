/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of messages become structs. The order here is that of the column lists in the header. */
#include "common/store/store_message_row.h"

void store_message_row_notice(const struct db_rows *r, size_t row, struct arena *a,
			      struct store_message *ret)
{
	ret->id = db_text(r, row, 0, a);
	ret->created_us = db_time(r, row, 1);
	ret->from = db_text(r, row, 2, a);
	ret->recipient = db_text(r, row, 3, a);
	ret->subject = db_text(r, row, 4, a);
	ret->conversation_id = db_text(r, row, 5, a);
}

void store_message_row_summary(const struct db_rows *r, size_t row, struct arena *a,
			       struct store_message *ret)
{
	store_message_row_notice(r, row, a, ret);
	db_texts(r, row, 6, a, &ret->reply_to, &ret->reply_to_n);
	db_texts(r, row, 7, a, &ret->to, &ret->to_n);
	db_texts(r, row, 8, a, &ret->cc, &ret->cc_n);
	ret->status = db_is_null(r, row, 9) ? S("unread") : db_text(r, row, 9, a);
	ret->verified = db_bool(r, row, 10);
	ret->auto_submitted = db_text(r, row, 11, a);
}
