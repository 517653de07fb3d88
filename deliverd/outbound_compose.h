/* SPDX-License-Identifier: Apache-2.0 */
/* Composes and signs the mail of a job. */
#ifndef E2A_DELIVERD_OUTBOUND_COMPOSE_H
#define E2A_DELIVERD_OUTBOUND_COMPOSE_H

#include "common/store/store_event.h"
#include "deliverd/outbound_author.h"

enum { OUTBOUND_MAIL_MAX = 37748736 }; /* bytes; what the inject listener takes */

/*
 * EVENT_NO_REASON: *ret_mail lies in *ret_bytes, which the caller releases whatever comes
 * of it. EVENT_UNUSABLE: these rows make no mail; EVENT_NO_KEY: its key does not work.
 */
enum event_reason outbound_compose(const struct dkim_signer *signer,
				   const struct store_outbound_job *job,
				   const struct outbound_author *author, struct arena *a,
				   struct buf *ret_bytes, struct slice *ret_mail,
				   struct fail *fail);

#endif
