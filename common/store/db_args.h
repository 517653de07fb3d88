/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the store layer: what db.c needs of its parameters. */
#ifndef E2A_STORE_DB_ARGS_H
#define E2A_STORE_DB_ARGS_H

#include "common/store/db.h"

/* Frees what the arguments own and empties them; NULL is fine. */
void db_args_release(struct db_args *args);

#endif
