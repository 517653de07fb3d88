/* SPDX-License-Identifier: Apache-2.0 */
/* libmilter's side: the callbacks, and the server that runs them. */
#ifndef E2A_MILTER_CALLBACKS_H
#define E2A_MILTER_CALLBACKS_H

#include "milter/session.h"

/*
 * Opens the socket of `milter_listen` (a stale unix socket is removed, one in
 * use is ERR_CONFIG) with mode `milter_socket_mode`.
 */
enum err server_open(const struct milter *m, struct fail *fail) MUST_CHECK;
/* Serves until SIGTERM or SIGINT; then waits for messages that are being judged. */
enum err server_run(struct fail *fail) MUST_CHECK;

#endif
