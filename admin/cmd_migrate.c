/* SPDX-License-Identifier: Apache-2.0 */
/* Brings the database up to this version. Runs as the owner of the schema, never as a daemon. */
#include "admin/admin.h"
#include "common/store/schema.h"

static void applied(const char *name, void *arg)
{
	(void)arg;
	printf("applied %s\n", name);
	fflush(stdout);
}

enum err cmd_migrate(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(db_closep) struct db *db = NULL;
	enum err e;

	(void)argv;
	if (argc != 1)
		return ERR_INPUT;
	e = db_open(s->database_url, NULL, "e2a-admin", &db, fail);
	if (e == OK)
		e = schema_migrate(db, applied, NULL, fail);
	if (e == OK)
		puts("the schema is up to date");
	return e;
}
