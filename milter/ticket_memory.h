/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tickets that were used, until they end: each is good once. One memory
 * for all sessions of a process; it does not outlive it.
 */
#ifndef E2A_MILTER_TICKET_MEMORY_H
#define E2A_MILTER_TICKET_MEMORY_H

#include "common/mail/ticket.h"

/* 40 bytes each, twice as many places as tickets: 40 MiB at most. */
enum { TICKET_MEMORY_MAX = 512 * 1024 };

struct ticket_memory;

/* `now_s` is the start: whether an older ticket was used is not known. `max` tickets fit. */
struct ticket_memory *ticket_memory_new(int64_t now_s, size_t max);
void ticket_memory_free(struct ticket_memory *m);
/*
 * Uses a ticket that ticket_check() let pass. NULL: it was the first time.
 * Else a fixed word: used; or, of a ticket of which that cannot be said,
 * before_start, clock_set_back or memory_full: one that is made later will do.
 * From any thread.
 */
const char *ticket_memory_use(struct ticket_memory *m, const struct ticket *t, int64_t now_s);

#endif
