/* SPDX-License-Identifier: Apache-2.0 */
/* Notices. Neither the other recipients nor the text of the mail may be in one. */
#include "apid/notice.h"

#include "apid/resp.h"

void notice_write(const struct store_message *m, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w);
	jsonw_key_text(&w, "message_id", m->id);
	if (m->conversation_id.n)
		jsonw_key_text(&w, "conversation_id", m->conversation_id);
	jsonw_key_text(&w, "from", m->from);
	jsonw_key_text(&w, "recipient", m->recipient);
	jsonw_key_text(&w, "subject", m->subject);
	resp_key_time(&w, "received_at", m->created_us);
	jsonw_object_end(&w);
}
