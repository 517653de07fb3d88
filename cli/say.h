/* SPDX-License-Identifier: Apache-2.0 */
/* A line on standard error that is no failure of the command; from any thread. */
#ifndef E2A_CLI_SAY_H
#define E2A_CLI_SAY_H

#include "common/base/err.h"

/* Without the line end; texts of others are made harmless, and what is very long is cut. */
void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
