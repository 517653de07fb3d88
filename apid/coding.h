/* SPDX-License-Identifier: Apache-2.0 */
/* Content codings that a client takes (RFC 9110 12.5.3). */
#ifndef E2A_APID_CODING_H
#define E2A_APID_CODING_H

#include "common/base/slice.h"

#include <stdbool.h>

/* Does the client name the coding, and does not refuse it? "*" names none: bare bytes are fine. */
bool coding_accepted(struct slice accept_encoding, struct slice coding);

#endif
