/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags of what this program serves as it is. */
#ifndef E2A_APID_ETAG_H
#define E2A_APID_ETAG_H

#include "common/base/slice.h"

#include <stdbool.h>

/* Is the tag (with its quotes), or any ("*"), in the list that If-None-Match is (RFC 9110 13.1.2)?
 */
bool etag_known(struct slice if_none_match, struct slice etag);

#endif
