/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one port. A thread accepts, looks at what comes without consuming it,
 * and gives each socket to the HTTP server, or to a worker when it asks for a
 * WebSocket. Sockets that send nothing are bounded in number and time.
 */
#ifndef E2A_APID_LISTEN_H
#define E2A_APID_LISTEN_H

#include "apid/app.h"

struct listener;

/*
 * A listening socket from `host:port`, `[address]:port`, `unix:/path`, or
 * `fd:N` for one that was handed over (LISTEN_PID and LISTEN_FDS must say so).
 */
enum err listen_open(const char *spec, int *ret_fd, struct fail *fail) MUST_CHECK;

/* Takes the listening socket and starts the thread. */
enum err listener_new(const struct app *app, int fd, struct listener **ret,
		      struct fail *fail) MUST_CHECK;
/* Stops accepting and closes the sockets that still wait. */
void listener_free(struct listener *l);

#endif
