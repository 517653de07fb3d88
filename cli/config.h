/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the command finds its server, key and agent: environment and ~/.e2a/config.json, in an
 * order of their own for each (the table in config.c). The file is replaced as a whole, keeps the
 * members that this program does not know, and is for its owner only. A file that is no JSON
 * object is never written.
 */
#ifndef E2A_CLI_CONFIG_H
#define E2A_CLI_CONFIG_H

#include "cli/doc.h"

enum config_key {
	CONFIG_API_KEY,
	CONFIG_API_URL,
	CONFIG_AGENT_EMAIL,
	CONFIG_SHARED_DOMAIN,
	CONFIG_COUNT
};

struct config {
	char *path;                       /* of the file; NULL when there is no home */
	struct doc *file;                 /* what it holds; NULL when there is none */
	const char *value[CONFIG_COUNT];  /* after environment, file and default; NULL: none */
	const char *origin[CONFIG_COUNT]; /* "environment", "file", "default"; NULL: none */
};

/*
 * Reads the file, if there is one. ERR_CONFIG names a file that cannot be read, is no JSON object
 * or has a value that cannot be one. config_release() in any case.
 */
enum err config_load(struct config *ret, struct fail *fail) MUST_CHECK;
void config_release(struct config *c);

const char *config_name(enum config_key key);
/* The variable of the environment, and whether it is set and wins over the file. */
const char *config_env(enum config_key key);
bool config_env_wins(enum config_key key);
/* ERR_INPUT when there is no such key. */
enum err config_key_named(struct slice name, enum config_key *ret) MUST_CHECK;

/* What to write: NULL forgets the key. */
struct config_change {
	enum config_key key;
	const char *value;
};

/*
 * Changes the file: reads it again under a lock, so that two commands at once lose nothing. A value
 * that is the default is not written. ERR_INPUT for a value that cannot be one; ERR_IO names file
 * and cause.
 */
enum err config_change(struct config *c, const struct config_change *changes, size_t n,
		       struct fail *fail) MUST_CHECK;

/*
 * ERR_INPUT unless the text can be a base URL: http or https, a host, no user, query or fragment,
 * no blanks. A final slash may stand there.
 */
enum err config_check_url(struct slice text, struct fail *fail) MUST_CHECK;

#endif
