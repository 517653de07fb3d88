/* SPDX-License-Identifier: Apache-2.0 */
/* What a reviewer is told about their answer. */
#ifndef E2A_DELIVERD_REVIEW_MAIL_H
#define E2A_DELIVERD_REVIEW_MAIL_H

#include "common/store/store_mail.h"

struct review_news {
	struct slice outcome;        /* as in struct review */
	struct slice status;         /* of the mail */
	struct slice agent, subject; /* of the mail; empty when it is gone */
	struct slice why;            /* of a rejection */
	struct slice again;          /* where another answer goes */
};

/* Fills all of *ret but whom it is for; the texts are in the arena. */
void review_mail_write(const struct review_news *news, struct arena *a, struct store_mail *ret);

#endif
