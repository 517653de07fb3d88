/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wakes every apid for agents that have new mail: at most one NOTIFY in 50 ms on channel
 * `e2a_mail`, the first at once, on a connection of its own. The payload
 * is agent addresses separated by blanks, or `*` when they are too many. A
 * hint only: what is lost is found by apid's poll.
 */
#ifndef E2A_DELIVERD_NOTIFY_H
#define E2A_DELIVERD_NOTIFY_H

#include "common/base/settings.h"
#include "deliverd/loop.h"

struct notify;

struct notify *notify_new(struct loop *loop, const struct settings *s);
void notify_add(struct notify *n, struct slice agent_email);
/* True when nothing waits to be said. */
bool notify_idle(const struct notify *n);
void notify_free(struct notify *n);
DEFINE_FREEP(struct notify, notify_free)

/* The payload under way: adds an address that is not in it yet; `*` beyond the limit. */
void notify_payload_add(struct buf *payload, struct slice agent_email);

#endif
