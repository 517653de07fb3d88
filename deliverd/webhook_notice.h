/* SPDX-License-Identifier: Apache-2.0 */
/* Tells owners by mail of webhooks that fail; in any number of daemons at once. */
#ifndef E2A_DELIVERD_WEBHOOK_NOTICE_H
#define E2A_DELIVERD_WEBHOOK_NOTICE_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/store/db.h"
#include "deliverd/loop.h"

struct webhook_notice;

/* All borrowed. It begins at once. */
struct webhook_notice *webhook_notice_new(struct loop *loop, const struct settings *s,
					  const struct keys *keys, struct db_pool *pool);
/* Starts nothing more; what is under way is a task of the loop's. */
void webhook_notice_stop(struct webhook_notice *n);
void webhook_notice_free(struct webhook_notice *n);

#endif
