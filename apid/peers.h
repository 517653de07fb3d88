/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many HTTP connections each client address has, so that one client cannot
 * take them all. Trusted proxies and unix sockets are not counted: behind them
 * is everybody. Holds one entry per address that is connected now. Thread-safe.
 */
#ifndef E2A_APID_PEERS_H
#define E2A_APID_PEERS_H

#include "apid/client_addr.h"

struct peers;

struct peers *peers_new(int64_t most);
void peers_free(struct peers *p);
/* Counts one more. False when that client (client_addr_group) has as many as it may. */
bool peers_enter(struct peers *p, const struct client_peer *peer);
/* To be called once for each that entered. */
void peers_leave(struct peers *p, const struct client_peer *peer);

enum peers_refusal { PEERS_PER_CLIENT, PEERS_SERVER_FULL, PEERS_REFUSALS };

/* Notes that a connection was refused: one line of the log for many, because who is
 * refused would like to fill it. */
void peers_refused(struct peers *p, const struct client_peer *peer, enum peers_refusal why);

#endif
