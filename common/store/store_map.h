/* SPDX-License-Identifier: Apache-2.0 */
/* What Postfix's local tables are made from. */
#ifndef E2A_STORE_STORE_MAP_H
#define E2A_STORE_STORE_MAP_H

#include "common/store/db.h"

extern const struct db_stmt store_map_stmts[];

/* The domains that mail is accepted for, sorted; in the arena. */
enum err store_map_domains(struct db *db, struct arena *a, struct slice **ret, size_t *ret_n,
			   struct fail *fail) MUST_CHECK;

#endif
