/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands as tables: their names, arguments and long options. One table is read by the parser,
 * by --help and by the completion of the shell, so that they cannot differ.
 *
 * `--name value` and `--name=value` are the same; a value may begin with dashes; `--` ends the
 * options; `-` alone is an argument. Options and arguments come in any order. All are UTF-8, but
 * for names of files.
 */
#ifndef E2A_CLI_OPTIONS_H
#define E2A_CLI_OPTIONS_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/mem.h"

#include <stdint.h>

enum option_type {
	OPTION_FLAG,  /* bool */
	OPTION_TEXT,  /* const char *, NULL when it was not given; the last one counts */
	OPTION_TEXTS, /* struct option_texts: may be given again and again */
	OPTION_NUMBER /* struct option_number, from min to max */
};

enum { OPTION_TEXTS_MAX = 1000 };

struct option_texts {
	const char **v;
	size_t n;
};

struct option_number {
	bool given;
	int64_t v;
};

/* What the shell offers for an argument or a value. */
enum completes { COMPLETE_NOTHING, COMPLETE_AGENT, COMPLETE_FILE, COMPLETE_SETTING };

struct option {
	const char *name;  /* without dashes; NULL ends the table */
	const char *value; /* what --help calls the value; NULL of a flag */
	enum option_type type;
	bool required;
	size_t offset; /* in the struct of the command's values */
	int64_t min, max;
	const char *choices;  /* of a text, "approve|reject"; or NULL */
	const char *excludes; /* the option that it cannot stand with; or NULL */
	enum completes completes;
	const char *help;
};

struct cli;
typedef enum err command_fn(struct cli *c, struct fail *fail);

struct command {
	const char *name; /* "send", "agents list"; NULL ends the table */
	const char *args; /* as --help shows them: "<id>"; "" for none */
	size_t args_min, args_max;
	const char *help;    /* one line */
	const char *details; /* paragraphs for its --help; or NULL */
	command_fn *run;
	const struct option *options; /* NULL: only the common ones */
	size_t options_size;          /* of the struct of values */
	enum completes completes;     /* its first argument */
};

/* What stands beside every command. */
struct common_options {
	bool json, help, version;
};

struct parsed {
	struct common_options common;
	void *values; /* the struct of the command's values, filled; free(3) */
	char **args;  /* of the caller's argv */
	size_t args_n;
};

extern const struct option common_options[];

/*
 * Reads what stands behind the name of the command. ERR_INPUT with the reason in fail->what when
 * the usage is wrong. --help and --version end the reading: what else is wrong does not matter.
 * parsed_release() also after a failure.
 */
enum err options_parse(const struct command *command, char **argv, size_t n, struct parsed *ret,
		       struct fail *fail) MUST_CHECK;
void parsed_release(const struct command *command, struct parsed *p);

/* The text of `e2a <command> --help`. */
void options_help(const struct command *command, struct buf *ret);

#endif
