/* SPDX-License-Identifier: Apache-2.0 */
/* Media types by the endings of file names, for a few that people send. */
#ifndef E2A_CLI_MEDIA_TYPE_H
#define E2A_CLI_MEDIA_TYPE_H

#include "common/base/slice.h"

/* "application/octet-stream" for an ending that is not known. */
const char *media_type_of(struct slice filename);
/* The ending with its dot; "" for a type that is not known. */
const char *media_type_extension(struct slice type);

#endif
