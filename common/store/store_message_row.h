/* SPDX-License-Identifier: Apache-2.0 */
/* The columns that lists, details and notices of messages share, and how they are read. */
#ifndef E2A_STORE_STORE_MESSAGE_ROW_H
#define E2A_STORE_STORE_MESSAGE_ROW_H

#include "common/store/store_message.h"

/* $1 user, $2 agent; every statement about messages for reading has this guard. */
#define MESSAGE_MINE                                                                               \
	"m.user_id = $1 AND m.agent_email = $2 AND m.direction = 'inbound' "                       \
	"AND m.expires_at > now()"

#define MESSAGE_NOTICE                                                                             \
	"m.id, m.created_at, m.header_from, m.recipient, m.subject, m.conversation_id"
#define MESSAGE_SUMMARY                                                                            \
	MESSAGE_NOTICE ", m.reply_to, m.to_addresses, m.cc_addresses, m.inbox_status, "            \
		       "m.verified, m.auto_submitted"

enum { MESSAGE_NOTICE_COLUMNS = 6, MESSAGE_SUMMARY_COLUMNS = 12 };

/* Both fill a zeroed struct from columns 0 ... of a row; texts are copied into the arena. */
void store_message_row_notice(const struct db_rows *r, size_t row, struct arena *a,
			      struct store_message *ret);
void store_message_row_summary(const struct db_rows *r, size_t row, struct arena *a,
			       struct store_message *ret);

#endif
