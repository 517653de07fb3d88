/* SPDX-License-Identifier: Apache-2.0 */
/* The Cookie header field (RFC 6265 5.4). */
#ifndef E2A_APID_COOKIE_H
#define E2A_APID_COOKIE_H

#include "common/base/slice.h"

/* The value of the first cookie of that name (quotes belong to it), or an empty slice. */
struct slice cookie_find(struct slice field, struct slice name);

#endif
