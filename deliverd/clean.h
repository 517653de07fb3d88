/* SPDX-License-Identifier: Apache-2.0 */
/* Taking headers out of a mail before it is hashed and stored. */
#ifndef E2A_DELIVERD_CLEAN_H
#define E2A_DELIVERD_CLEAN_H

#include "common/base/buf.h"

/*
 * A mail whose verdict is trusted was cleaned by the milter: only the topmost
 * verdict header goes, everything else stays byte for byte.
 */
void clean_trusted(struct buf *raw);
/*
 * Any other mail: removes every field of the X-E2A- name space and every
 * Authentication-Results that carries our authserv-id, however many there are.
 */
void clean_untrusted(struct buf *raw, struct slice authserv_id);

#endif
