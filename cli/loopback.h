/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener on 127.0.0.1 that waits for one callback. Connections that bring something else, or
 * nothing, are answered or dropped and do not disturb.
 */
#ifndef E2A_CLI_LOOPBACK_H
#define E2A_CLI_LOOPBACK_H

#include "cli/callback.h"

struct loopback {
	int fd;
	uint16_t port;
};

/* Ready for connections afterwards, on a port of the system's choice. */
enum err loopback_open(struct loopback *ret, struct fail *fail) MUST_CHECK;
void loopback_close(struct loopback *l);

struct loopback_found {
	enum callback_result result;              /* GRANTED or DENIED */
	struct slice api_key, agent_email, error; /* in the arena */
};

/* ERR_TIMEOUT when nobody brought the state in time. */
enum err loopback_wait(struct loopback *l, struct slice state, int64_t timeout_ms, struct arena *a,
		       struct loopback_found *ret, struct fail *fail) MUST_CHECK;

#endif
