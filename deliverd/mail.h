/* SPDX-License-Identifier: Apache-2.0 */
/* One mail on its way from LMTP to the database: envelope, XFORWARD, bytes. */
#ifndef E2A_DELIVERD_MAIL_H
#define E2A_DELIVERD_MAIL_H

#include "common/base/arena.h"
#include "common/base/budget.h"
#include "common/base/buf.h"
#include "common/base/mem.h"

/* What Postfix says of the SMTP client (XFORWARD_README); empty when unknown. */
struct xforward {
	struct slice name, addr, port, proto, helo, ident, source;
};

struct mail {
	unsigned refs;      /* counted on the loop's thread */
	struct arena arena; /* of all slices below */
	struct xforward xforward;
	struct slice sender; /* envelope sender, empty for <> */
	struct slice *rcpts; /* as given, without <> */
	size_t rcpts_n, rcpts_cap;
	struct buf raw; /* after dot-unstuffing */
	struct budget *budget;
	size_t charged; /* bytes taken from it */
};

enum {
	/* A mail is in memory twice while it is stored: here and in libpq's send buffer. */
	MAIL_COST = 2,
	MAIL_CHARGE_STEP = 64 * 1024,
};

struct mail *mail_new(struct budget *budget, size_t max_bytes);
struct mail *mail_ref(struct mail *m);
/* Drops one reference; the last one gives the charge back. */
void mail_free(struct mail *m);
DEFINE_FREEP(struct mail, mail_free)

void mail_add_rcpt(struct mail *m, struct slice rcpt);
/* Makes sure that `bytes` of raw are paid for; false when the budget is used up. */
bool mail_charge(struct mail *m, size_t bytes);

#endif
