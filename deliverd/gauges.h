/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets the gauges among the metrics: every second what is in memory, and now and then
 * what waits in the database.
 */
#ifndef E2A_DELIVERD_GAUGES_H
#define E2A_DELIVERD_GAUGES_H

#include "common/base/budget.h"
#include "deliverd/loop.h"

struct db_pool;
struct gauges;
struct lmtp_server;
struct webhook;

struct gauges_config {
	struct loop *loop;
	struct db_pool *pool;
	const struct budget *budget;
	const struct lmtp_server *lmtp;
	const struct webhook *webhook;
};

/* `config` is copied. */
struct gauges *gauges_new(const struct gauges_config *config);
void gauges_stop(struct gauges *g);
void gauges_free(struct gauges *g);
DEFINE_FREEP(struct gauges, gauges_free)

#endif
