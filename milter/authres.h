/* SPDX-License-Identifier: Apache-2.0 */
/* The Authentication-Results field of a verdict (RFC 8601 2.2). */
#ifndef E2A_MILTER_AUTHRES_H
#define E2A_MILTER_AUTHRES_H

#include "common/base/buf.h"
#include "common/mail/verdict.h"

/*
 * Appends the value, starting with a space and folded with LF TAB. Names that
 * fail the grammar of a host name are left out, so nothing of a message can
 * break out of its place.
 */
void authres_write(const struct verdict *v, struct slice authserv_id, struct buf *ret);

#endif
