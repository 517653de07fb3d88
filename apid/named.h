/* SPDX-License-Identifier: Apache-2.0 */
/* The body of requests that make something with a name: { "name": "prod" }, or nothing. */
#ifndef E2A_APID_NAMED_H
#define E2A_APID_NAMED_H

#include "apid/req.h"

/* The trimmed name, "unnamed" when there is none. False when the request was answered: 400. */
bool named_read(struct req *r, struct slice *ret);

#endif
