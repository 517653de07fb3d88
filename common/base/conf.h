/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: `key = value` lines as in main.cf, `#` comments, a
 * line that starts with white space continues the one above. Rows of a table
 * name each key; an unknown key or a bad value is an error that names file and
 * line. A row's environment variable, when set and not empty, wins.
 */
#ifndef E2A_BASE_CONF_H
#define E2A_BASE_CONF_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_TEXT,  /* char *, malloc'ed; one line without blanks around it */
	CONF_INT,   /* int64_t between min and max */
	CONF_BYTES, /* int64_t; 64, 64k, 10m, 1g */
	CONF_TIME,  /* int64_t milliseconds; 500ms, 5s, 10m, 2h, 3d */
	CONF_BOOL,  /* bool; yes or true, no or false */
	CONF_WORD,  /* char *, one of `words` (space separated) */
};

enum { CONF_SECRET = 1 }; /* flag: `config -n` prints that it is set, not what it is */

struct conf_row {
	const char *key;
	const char *env; /* NULL: none */
	enum conf_type type;
	size_t offset; /* of the field in the settings struct */
	const char *def;
	int64_t min, max;
	const char *words;
	unsigned flags;
	const char *help; /* one sentence for `e2a-admin config` and docs */
};

/* A table ends with a row whose key is NULL. */

/* Sets every field to its default. The struct must be zeroed before. */
void conf_defaults(const struct conf_row *table, void *settings);
/* Reads one file over the present values. ERR_CONFIG names file, line and reason. */
enum err conf_read_file(const struct conf_row *table, void *settings, const char *path,
			struct fail *fail) MUST_CHECK;
/* Same, from memory; `name` stands for the file in messages. */
enum err conf_read(const struct conf_row *table, void *settings, struct slice text,
		   const char *name, struct fail *fail) MUST_CHECK;
/* One time of the form above ("500ms", "3d"), for settings that are lists of them. */
enum err conf_time(struct slice text, int64_t *ret_ms) MUST_CHECK;
/* Applies the environment variables of the rows; blanks around a value are dropped. */
enum err conf_read_env(const struct conf_row *table, void *settings, struct fail *fail) MUST_CHECK;
/* Frees the texts. */
void conf_release(const struct conf_row *table, void *settings);
/* Appends `key = value` of one row in the form that the file takes. */
void conf_print(const struct conf_row *row, const void *settings, struct buf *ret);
/* True when the field still has its default. */
bool conf_is_default(const struct conf_row *row, const void *settings);

#endif
