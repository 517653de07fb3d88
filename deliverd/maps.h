/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Postfix's local tables in `postfix_map_dir`: `domains` (relay_domains),
 * `transport` (transport_maps) and `aliases` (virtual_alias_maps for
 * postmaster@ and abuse@, and what comes back to the sender of notices). Local, so that a database
 * outage costs the operator's other mail nothing; kept as the database says.
 */
#ifndef E2A_DELIVERD_MAPS_H
#define E2A_DELIVERD_MAPS_H

#include "common/base/settings.h"
#include "common/mail/sender.h"
#include "deliverd/loop.h"

enum maps_file { MAPS_DOMAINS, MAPS_TRANSPORT, MAPS_ALIASES, MAPS_COUNT };

struct db_pool;
struct maps;

/* Looks at once and then every postfix_map_interval. */
struct maps *maps_new(struct loop *loop, const struct settings *s, const struct sender *sender,
		      struct db_pool *pool);
/* Looks now. */
void maps_wake(struct maps *m);
void maps_stop(struct maps *m);
/* True when no look is under way. */
bool maps_idle(const struct maps *m);
void maps_free(struct maps *m);
DEFINE_FREEP(struct maps, maps_free)

/* The texts of the tables for these domains; `relay` may be empty (sender.h). */
void maps_write(const struct settings *s, struct slice relay, const struct slice *domains, size_t n,
		struct buf ret[MAPS_COUNT]);
/* What postmap(1) appends to a name for this type of table; NULL: it makes no file. */
const char *maps_suffix(const char *type);

#endif
