/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the mail could be seen at one moment. A message's place in the order is the time
 * at which it was written, and it is seen when its transaction has ended, which may be after
 * later ones were seen. Who goes on behind the last message would miss it; who goes on from a
 * moment gets exactly what could not be seen then.
 */
#ifndef E2A_STORE_STORE_MOMENT_H
#define E2A_STORE_STORE_MOMENT_H

#include "common/store/db.h"

extern const struct db_stmt store_moment_stmts[];

enum { STORE_MOMENT_SNAPSHOT_MAX = 1000 /* bytes of `snapshot` */ };

/*
 * What is older by so much was seen, if it is there: a transaction that stores mail ends before,
 * at the latest by the time-outs of its statements (30 s) and between them (60 s).
 */
#define STORE_MOMENT_SETTLED_US (120 * 1000000LL)
#define STORE_MOMENT_SETTLED "interval '120 s'"

struct store_moment {
	int64_t at_us;         /* of the database's clock */
	struct slice snapshot; /* transactions, as Postgres writes them; empty: no moment */
};

/* In SQL, of a message m: could it be seen? The time of the moment, and its snapshot. */
#define MOMENT_SHOWS(at, snapshot)                                                                 \
	"(m.created_at <= " at " AND (m.created_at <= " at " - " STORE_MOMENT_SETTLED              \
	" OR m.stored_in IS NULL OR pg_visible_in_snapshot(m.stored_in, "                          \
	"(SELECT " snapshot "::text::pg_snapshot))))"

/*
 * Now. With more transactions under way than a snapshot has room for, some of what could be
 * seen counts as not seen.
 */
enum err store_moment_now(struct db *db, struct arena *a, struct store_moment *ret,
			  struct fail *fail) MUST_CHECK;
/* Adds the two arguments of MOMENT_SHOWS. No moment is one at which there was nothing. */
void store_moment_arg(struct db_args *args, const struct store_moment *m);

#endif
