/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2a: the command for authors of agents and reviewers. A command is a row in the table of its
 * file; main.c lists the tables. Its function gets what was typed, writes what was asked for to
 * c->out, and returns; main prints the failure and turns it into the exit status.
 */
#ifndef E2A_CLI_CLI_H
#define E2A_CLI_CLI_H

#include "cli/api.h"
#include "cli/config.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "common/base/jsonf.h"

enum { CLI_WAIT_MS = 60 * 1000 }; /* that a command waits in all while the server asks it to */

/* How the command ends; see docs/cli.md. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REFUSED = 3,  /* 401, 403 */
	EXIT_ABSENT = 4,   /* 404, 410 */
	EXIT_CONFLICT = 5, /* 409, 412, 422 */
	EXIT_LATER = 6,    /* network, time-outs, 429, 5xx */
	EXIT_PIPE = 141    /* who reads the output went away */
};

struct cli {
	const struct command *command;
	const void *options; /* the struct of the command's values */
	char **args;
	size_t args_n;
	bool json;
	bool usage; /* set by cli_usage() */
	struct out out;
	struct config config;
	struct arena arena; /* until the command ends */
	struct api *api;    /* see cli_api() */
	struct progress progress;
};

extern const struct command agents_commands[], domains_commands[], config_commands[],
	login_commands[], inbox_commands[], read_commands[], send_commands[], pending_commands[],
	listen_commands[];

/* The client, with the user's key. ERR_CONFIG "Not authenticated" when there is none. */
enum err cli_api(struct cli *c, struct api **ret, struct fail *fail) MUST_CHECK;
/* The same without a key: for what anybody may ask. */
enum err cli_api_anonymous(struct cli *c, struct api **ret, struct fail *fail) MUST_CHECK;
/* One request and its JSON, by cli_api(). Waits up to CLI_WAIT_MS while the server says 429 or 503.
 * Shows progress. */
enum err cli_call(struct cli *c, const struct api_request *q, struct doc **ret,
		  struct fail *fail) MUST_CHECK;

/*
 * One request whose answer has nothing to say: prints "<label> <what>", or {"<key>":"<what>"}
 * with --json.
 */
enum err cli_done(struct cli *c, const struct api_request *q, const char *label, const char *key,
		  const char *what, struct fail *fail) MUST_CHECK;
/*
 * What an argument names, such as the id of a mail; a usage error when it is empty, or a step in a
 * path: servers in between would take it, and ask for something else.
 */
enum err cli_id(struct cli *c, const char *arg, const char *what, struct fail *fail) MUST_CHECK;

/* The agent to act as: --agent (may be NULL), else the configured one. ERR_CONFIG when there is
 * none. */
enum err cli_agent(struct cli *c, const char *option, const char **ret,
		   struct fail *fail) MUST_CHECK;
/* An address as it is, a slug with the shared domain behind it (asked from the server if need be).
 */
enum err cli_agent_named(struct cli *c, const char *email_or_slug, const char **ret,
			 struct fail *fail) MUST_CHECK;

/* For what the tables cannot check: returns ERR_INPUT and makes the exit status that of a usage
 * error. */
enum err cli_usage(struct cli *c, struct fail *fail, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A line on standard error, "Warning: ..."; texts of others are made harmless. */
void cli_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
