/* SPDX-License-Identifier: Apache-2.0 */
/* Slugs: the local parts that users may take on the shared domain. */
#ifndef E2A_APID_SLUG_H
#define E2A_APID_SLUG_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/* ERR_INPUT with the reason, for the user, appended to *ret_reason. */
enum err slug_check(struct slice slug, struct buf *ret_reason) MUST_CHECK;

#endif
