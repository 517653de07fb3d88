/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the queues, by their partial indexes: it must cost the same however long they are.
 */
#include "common/store/store_ready.h"

enum { BACKLOG };

#define MAILS                                                                                      \
	"(SELECT j.due_at FROM mail_jobs j WHERE j.state = 'pending' AND j.due_at <= now() "       \
	"AND (j.lease_until IS NULL OR j.lease_until < now()) ORDER BY j.due_at LIMIT 1000)"
/* Queues, not jobs: those of an endpoint that is left alone for now wait for that. */
#define QUEUES                                                                                     \
	"(SELECT q.due_at FROM webhook_queues q WHERE q.due_at <= now() "                          \
	"ORDER BY q.due_at LIMIT 1000)"
/* ... and jobs that nobody has put into their queue yet. */
#define NEW                                                                                        \
	"(SELECT j.due_at FROM webhook_jobs j WHERE j.state = 'pending' AND NOT j.queued "         \
	"AND j.due_at <= now() ORDER BY j.due_at LIMIT 1000)"

_Static_assert(STORE_READY_PENDING_MAX == 1000, "QUEUES, NEW and MAILS say the same");

const struct db_stmt store_ready_stmts[] = {
	[BACKLOG] = { "ready_backlog",
		      "SELECT count(*), "
		      "coalesce(floor(extract(epoch FROM now() - min(d.due_at))), 0)::bigint "
		      "FROM (" QUEUES " UNION ALL " NEW " UNION ALL " MAILS ") d",
		      false },
	{ 0 },
};

enum err store_ready_backlog(struct db *db, struct store_backlog *ret, struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_ready_stmts[BACKLOG], NULL, &r, fail);

	if (e == OK)
		*ret = (struct store_backlog){ db_int(r, 0, 0), db_int(r, 0, 1) };
	return e;
}
