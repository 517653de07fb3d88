/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens, written by each e2a-apid for itself. Its rows count as long as it says now and
 * then that it is there; see STORE_PRESENCE_ALIVE_S.
 */
#ifndef E2A_STORE_STORE_PRESENCE_H
#define E2A_STORE_STORE_PRESENCE_H

#include "common/store/db.h"

extern const struct db_stmt store_presence_stmts[];

enum { STORE_PRESENCE_MAX = 1000 }; /* of one flush */

/* How many listen to an agent at this e2a-apid, in columns. */
struct store_presence {
	struct slice agents[STORE_PRESENCE_MAX];
	int64_t sockets[STORE_PRESENCE_MAX], streams[STORE_PRESENCE_MAX], polls[STORE_PRESENCE_MAX];
	size_t n;
};

struct store_presence_found {
	bool fresh; /* nobody knew this e2a-apid, or not any more: all has to be written */
	bool again; /* an agent was locked, because it is being deleted: maybe it stays */
};

/*
 * Writes these agents, or none, and that the instance is there. Whoever is in it has listened,
 * also when it is nobody now. Safe to repeat.
 */
enum err store_presence_flush(struct db *db, struct slice instance, const struct store_presence *p,
			      struct store_presence_found *ret, struct fail *fail) MUST_CHECK;
/* Removes those that were not seen for so long, and `leaving`, if it is not empty. */
enum err store_presence_expire(struct db *db, struct slice leaving, int64_t age_ms,
			       struct fail *fail) MUST_CHECK;

#endif
