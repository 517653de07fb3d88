/* SPDX-License-Identifier: Apache-2.0 */
/* The mail that tells an owner that webhooks fail. */
#ifndef E2A_DELIVERD_WEBHOOK_TEXT_H
#define E2A_DELIVERD_WEBHOOK_TEXT_H

#include "common/store/store_mail.h"
#include "common/store/store_webhook_notice.h"

/* Fills kind, subject, text and lifetime; they live in the arena. public_url may be empty. */
void webhook_text_write(const struct store_webhook_notice *n, struct slice public_url,
			struct arena *a, struct store_mail *ret);

#endif
