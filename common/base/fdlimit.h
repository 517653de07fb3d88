/* SPDX-License-Identifier: Apache-2.0 */
/* How many descriptors this process may have. */
#ifndef E2A_BASE_FDLIMIT_H
#define E2A_BASE_FDLIMIT_H

#include "common/base/err.h"

#include <stdint.h>

/*
 * Sets the soft limit to `want`, or to the hard limit when that is lower.
 * *ret_have is the limit that then holds; true when it is at least `want`.
 */
bool fdlimit_set(uint64_t want, uint64_t *ret_have);

#endif
