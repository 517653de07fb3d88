/* SPDX-License-Identifier: Apache-2.0 */
/* What the header of a mail says of its thread and its kind, as keys of its JSON object. */
#ifndef E2A_APID_MESSAGE_HEADER_H
#define E2A_APID_MESSAGE_HEADER_H

#include "common/base/jsonf.h"
#include "common/mail/header.h"

enum { REFERENCES_MAX = 100, LIST_URIS_MAX = 10 };

/*
 * "date" (RFC 3339), "in_reply_to", "precedence": a text or null; "references":
 * Message-IDs; "list": null, or {"id", "unsubscribe", "post"} of RFC 2919 and 2369.
 */
void message_header_json(const struct header *h, struct arena *a, struct jsonw *w);

#endif
