/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: deletes what has served its time, a small batch after the other. */
#ifndef E2A_DELIVERD_JANITOR_H
#define E2A_DELIVERD_JANITOR_H

#include "common/base/settings.h"
#include "deliverd/loop.h"

struct db_pool;
struct janitor;

struct janitor *janitor_new(struct loop *loop, const struct settings *s, struct db_pool *pool);
void janitor_stop(struct janitor *j);
void janitor_free(struct janitor *j);
DEFINE_FREEP(struct janitor, janitor_free)

#endif
