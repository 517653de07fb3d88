/* SPDX-License-Identifier: Apache-2.0 */
/* The migrations this build knows, oldest first; ends with version 0. Generated from migrations/. */
#ifndef E2A_STORE_SCHEMA_H
#define E2A_STORE_SCHEMA_H

#include <stddef.h>

struct migration {
	int version;
	const char *name;   /* file name without .sql */
	const char *sha256; /* of the file, hex */
	const char *sql;
};

extern const struct migration migrations[];

#endif
