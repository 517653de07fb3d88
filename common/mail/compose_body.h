/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and attachments of a mail as MIME entities. For compose.c only. */
#ifndef E2A_MAIL_COMPOSE_BODY_H
#define E2A_MAIL_COMPOSE_BODY_H

#include "common/mail/compose.h"

/* The fields of the content, an empty line, and the content. */
void compose_body(struct buf *b, const struct compose_mail *m);

#endif
