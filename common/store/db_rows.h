/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the store layer: how db.c makes results. */
#ifndef E2A_STORE_DB_ROWS_H
#define E2A_STORE_DB_ROWS_H

#include "common/store/db.h"

#include <libpq-fe.h>

/* Takes the result over. */
struct db_rows *db_rows_new(PGresult *res);

#endif
