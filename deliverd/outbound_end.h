/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes down how attempts ended, many in one transaction. An end that cannot be
 * written now is written later; when its lease is over by then, Postfix is asked instead.
 */
#ifndef E2A_DELIVERD_OUTBOUND_END_H
#define E2A_DELIVERD_OUTBOUND_END_H

#include "deliverd/loop.h"
#include "deliverd/outbound_mail.h"

struct outbound_ends;

struct outbound_ends *outbound_ends_new(struct loop *loop, struct db_pool *pool);
/* Takes the attempt over and frees it when its end is written. */
void outbound_ends_add(struct outbound_ends *e, struct outbound_attempt *at);
/* Attempts whose end is not written yet. */
size_t outbound_ends_waiting(const struct outbound_ends *e);
/* No task may be under way. */
void outbound_ends_free(struct outbound_ends *e);
DEFINE_FREEP(struct outbound_ends, outbound_ends_free)

#endif
