/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people read them. */
#ifndef E2A_CLI_SIZE_H
#define E2A_CLI_SIZE_H

#include <stdint.h>

enum { SIZE_TEXT_MAX = 24 };

/* "17 bytes", "1.2 KB", "35 MB": powers of 1000, two digits or more. */
void size_text(uint64_t bytes, char ret[SIZE_TEXT_MAX]);

#endif
