/* SPDX-License-Identifier: Apache-2.0 */
/* What WebSockets and event streams tell of a new message. */
#ifndef E2A_APID_NOTICE_H
#define E2A_APID_NOTICE_H

#include "common/store/store_message.h"

/* Appends one JSON object, in one line. */
void notice_write(const struct store_message *m, struct buf *out);

#endif
