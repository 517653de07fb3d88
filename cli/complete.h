/* SPDX-License-Identifier: Apache-2.0 */
/* What the shells' completions ask: `e2a __complete WORD...`, the last word being typed. */
#ifndef E2A_CLI_COMPLETE_H
#define E2A_CLI_COMPLETE_H

#include "cli/cli.h"

#define COMPLETE_COMMAND "__complete"
/* Printed alone where the shell is to offer files. */
#define COMPLETE_FILES ":file"

/*
 * Prints what may stand for the last word, one a line. Prints nothing where there is nothing, and
 * when something fails: whoever presses Tab wants no message.
 */
void complete(struct cli *c, char **words, size_t n);

#endif
