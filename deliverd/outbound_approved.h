/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that was held is composed and signed once, and the database has its bytes before
 * Postfix gets the first of them; every later attempt sends these. This is where that
 * happens, between the claim and the connections, so that neither waits for it.
 */
#ifndef E2A_DELIVERD_OUTBOUND_APPROVED_H
#define E2A_DELIVERD_OUTBOUND_APPROVED_H

#include "deliverd/loop.h"
#include "deliverd/outbound_mail.h"

struct outbound_approved_config { /* borrowed */
	struct loop *loop;
	struct db_pool *pool;
	const struct outbound_tools *tools;
	/* Gets each attempt back: with its mail, or ended. On the loop's thread. */
	void (*done)(void *arg, struct outbound_attempt *at, bool ended);
	void *arg;
};

struct outbound_approved;

struct outbound_approved *outbound_approved_new(const struct outbound_approved_config *config);
/* Is this an attempt whose mail is to be composed here first? */
bool outbound_approved_wants(const struct outbound_attempt *at);
void outbound_approved_add(struct outbound_approved *p, struct outbound_attempt *at);
/* Attempts that are here. */
size_t outbound_approved_waiting(const struct outbound_approved *p);
/* No task may be under way. */
void outbound_approved_free(struct outbound_approved *p);

#endif
