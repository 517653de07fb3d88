/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelope senders of agents' mail: bounce-<32 hex digits>@domain, one for each
 * attempt, so that what comes back names the attempt. The digits are random: only
 * those who saw the mail know the address, and Postfix refuses all others at RCPT.
 */
#ifndef E2A_MAIL_VERP_H
#define E2A_MAIL_VERP_H

#include "common/base/arena.h"
#include "common/base/slice.h"

struct slice verp_new(struct slice domain, struct arena *a);
/* Is this the form of such an address? *ret is it as it is stored: folded. */
bool verp_is(struct slice address, struct arena *a, struct slice *ret);

#endif
