/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database schema this build knows and how a database gets there. Daemons
 * only ask db_check_schema(); migrating is for e2a-admin.
 */
#ifndef E2A_STORE_SCHEMA_H
#define E2A_STORE_SCHEMA_H

#include "common/store/db.h"

#include <stddef.h>

struct migration {
	int version;
	const char *name;   /* file name without .sql */
	const char *sha256; /* of the file, hex */
	const char *sql;
};

/* Generated from migrations/: oldest first, ended by version 0; and roles.sql. */
extern const struct migration migrations[];
extern const char *const schema_roles;

extern const struct db_stmt schema_stmts[];

/*
 * Brings the schema e2a up to this build, making it when it is absent, and sets
 * roles and rights. Each migration is one transaction that holds an advisory
 * lock and looks again at what is applied, so that any number of callers may run
 * at once and a broken one can be repeated. Calls applied(name, arg) after each
 * migration that it committed. ERR_SCHEMA, with nothing changed, when the
 * database is newer than this build or an applied migration was another text.
 */
enum err schema_migrate(struct db *db, void (*applied)(const char *name, void *arg), void *arg,
			struct fail *fail) MUST_CHECK;

/* The same with another list than the one compiled in. */
enum err schema_migrate_to(struct db *db, const struct migration *list,
			   void (*applied)(const char *name, void *arg), void *arg,
			   struct fail *fail) MUST_CHECK;

#endif
