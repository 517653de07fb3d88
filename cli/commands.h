/* SPDX-License-Identifier: Apache-2.0 */
/* All commands there are. */
#ifndef E2A_CLI_COMMANDS_H
#define E2A_CLI_COMMANDS_H

#include "cli/options.h"

/* In the order of `e2a --help`; NULL behind the last one. */
const struct command *commands_at(size_t n);
/* The command with the longest name that begins argv, and how many words that is; or NULL. */
const struct command *commands_find(char **argv, size_t n, size_t *ret_words);
/* The first word of its name. */
struct slice commands_group(const struct command *c);
/* Is it the first of several words of a name? */
bool commands_is_group(struct slice word);

#endif
