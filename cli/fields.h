/* SPDX-License-Identifier: Apache-2.0 */
/* Values of answers as people read them. What is not there is empty. */
#ifndef E2A_CLI_FIELDS_H
#define E2A_CLI_FIELDS_H

#include "cli/doc.h"
#include "common/base/arena.h"

/* The texts of an array, or one text, as "a, b". In the arena. */
struct slice fields_list(const struct doc *d, const char *name, struct arena *a);
/* A time in UTC to the second; one that cannot be read as it is. In the arena. */
struct slice fields_time(const struct doc *d, const char *name, struct arena *a);

#endif
