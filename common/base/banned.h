/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that take no length, keep hidden state or hide errors. The
 * Makefile includes this file before every source of ours.
 */
#ifndef E2A_BASE_BANNED_H
#define E2A_BASE_BANNED_H

/* Headers that declare or use the names come first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* strtoul is missing here because libpq's headers name it; the lint finds it. */
#pragma GCC system_header /* clang warns when a name is also a macro */
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok strtok_r atoi atol atoll
#pragma GCC poison strtol strtoll strtoull sscanf gmtime localtime ctime asctime gets

#endif
