/* SPDX-License-Identifier: Apache-2.0 */
/* Domains for Postfix, in one fixed order so that equal sets make equal files. */
#include "common/store/store_map.h"

const struct db_stmt store_map_stmts[] = {
	{ "map_domains", "SELECT d.domain FROM mail_domains d ORDER BY d.domain COLLATE \"C\"",
	  false },
	{ 0 },
};

enum err store_map_domains(struct db *db, struct arena *a, struct slice **ret, size_t *ret_n,
			   struct fail *fail)
{
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e = db_query(db, &store_map_stmts[0], NULL, &r, fail);

	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = db_text(r, i, 0, a);
	return OK;
}
