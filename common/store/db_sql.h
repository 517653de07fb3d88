/* SPDX-License-Identifier: Apache-2.0 */
/* SQL that statements about quite different things have in common. */
#ifndef E2A_STORE_DB_SQL_H
#define E2A_STORE_DB_SQL_H

/*
 * A first WITH query, read by another one so that it runs: the transaction of this one statement
 * does not wait for the disk. For what is written again, or of no account, when it is lost.
 */
#define ASYNC "async AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"

#endif
