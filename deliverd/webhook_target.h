/* SPDX-License-Identifier: Apache-2.0 */
/* Where a webhook call goes, with the ledger's reason when it may not go anywhere. */
#ifndef E2A_DELIVERD_WEBHOOK_TARGET_H
#define E2A_DELIVERD_WEBHOOK_TARGET_H

#include "common/mail/webhook_policy.h"
#include "common/store/store_event.h"

/* webhook_policy_resolve(); EVENT_NO_REASON when the target is admitted. Blocks. */
enum event_reason webhook_target_resolve(struct dns *dns, const struct webhook_policy *p,
					 struct slice url, int64_t deadline_ms,
					 struct webhook_target *ret);
/* Would that not block, because it needs no name service, or was told a moment ago? */
bool webhook_target_known(struct dns *dns, struct slice url);

#endif
