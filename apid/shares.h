/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that clients share: a budget for all, of which one client
 * (client_addr_group) gets a part at most. A unix socket that named no client has no
 * such bound: behind it is everybody. Holds one entry per client that has some. Of one thread.
 */
#ifndef E2A_APID_SHARES_H
#define E2A_APID_SHARES_H

#include "apid/client_addr.h"
#include "common/base/budget.h"

struct shares {
	struct budget all;
	size_t each; /* bytes that one client gets at most */
	void *tree;  /* of clients */
};

/* A quarter of the limit for each, but no less than `least`. */
void shares_init(struct shares *s, size_t limit, size_t least);
void shares_release(struct shares *s);
/* Are there n bytes for this client now? */
bool shares_fit(struct shares *s, const struct netaddr *client, size_t n);
/* Takes n bytes, or nothing and false when they are not there. */
bool shares_take(struct shares *s, const struct netaddr *client, size_t n);
void shares_give(struct shares *s, const struct netaddr *client, size_t n);

#endif
