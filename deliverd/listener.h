/* SPDX-License-Identifier: Apache-2.0 */
/* LISTEN on one channel, on a connection of its own that is made again when it breaks. */
#ifndef E2A_DELIVERD_LISTENER_H
#define E2A_DELIVERD_LISTENER_H

#include "common/base/settings.h"
#include "deliverd/loop.h"

struct listener;

/*
 * fn runs for each batch of notifications and after each connect, because
 * what was said before went unheard. `channel` is borrowed.
 */
struct listener *listener_new(struct loop *loop, const struct settings *s, const char *channel,
			      void (*fn)(void *arg), void *arg);
void listener_stop(struct listener *l);
void listener_free(struct listener *l);
DEFINE_FREEP(struct listener, listener_free)

#endif
