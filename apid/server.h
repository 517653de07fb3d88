/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP by libmicrohttpd: one thread that parses and sends, never waits for the
 * database. Requests are suspended while a worker has them. Connections come
 * from the listener (server_add), which has seen a complete head on each.
 */
#ifndef E2A_APID_SERVER_H
#define E2A_APID_SERVER_H

#include "apid/app.h"
#include "apid/client_addr.h"

enum err server_new(const struct app *app, struct server **ret, struct fail *fail) MUST_CHECK;
/* Takes the socket in any case. Thread-safe. */
void server_add(struct server *s, int fd, const struct client_peer *peer);
/* Cuts off peers that send or read too slowly; to be called about once a second. */
void server_tick(struct server *s);
/* Waits until no request is under way, at most until the deadline (clock_mono_ms). */
void server_drain(struct server *s, int64_t deadline_ms);
/* All workers must have ended, so that no connection is suspended. */
void server_free(struct server *s);

#endif
