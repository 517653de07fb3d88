/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this e2a-apid can do its work. A thread with a database connection of
 * its own looks once a second; asking costs nothing and never waits, also when
 * Postgres hangs and every worker with it.
 */
#ifndef E2A_APID_READY_H
#define E2A_APID_READY_H

#include "apid/app.h"
#include "common/store/store_ready.h"

enum {
	READY_PERIOD_MS = 1000,
	READY_STALE_MS = 3000, /* without an answer for so long the database is away */
	READY_LATE_S = 120,    /* a queue is late whose oldest job was due so long ago */
};

struct ready;

struct ready_state {
	bool database; /* the rest is known only when it answers */
	bool schema;   /* the one that this program knows */
	struct store_backlog backlog;
};

struct ready *ready_new(const struct app *app);
void ready_free(struct ready *r);
struct ready_state ready_now(struct ready *r);

#endif
