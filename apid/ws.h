/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSockets by libwebsockets on a thread of their own. A socket is admitted
 * before it comes here; it gets its agent's unread mail oldest first, then every
 * new one, as one ordered stream without repetition.
 */
#ifndef E2A_APID_WS_H
#define E2A_APID_WS_H

#include "apid/app.h"

/* Whom a socket is for. */
struct ws_subscriber {
	struct slice key_id, session_hash; /* one of them */
	struct slice user_id;
	struct slice email, address; /* of the agent */
	int64_t live_us;             /* database time of the admission */
	bool only_new;               /* nothing of what is unread already */
};

enum err ws_new(const struct app *app, struct ws **ret, struct fail *fail) MUST_CHECK;
/* Is there no room for one more socket of this user's agent? Thread-safe. */
bool ws_full(struct ws *ws, struct slice user_id, struct slice address);
/*
 * Takes the socket, on which the request has not been read yet. ERR_BUSY when
 * there is no room or the end has come; the caller keeps it then. Thread-safe.
 */
enum err ws_adopt(struct ws *ws, int fd, const struct ws_subscriber *sub) MUST_CHECK;
/* These agents (addresses separated by spaces, or "*") may have new mail. Thread-safe. */
void ws_wake(struct ws *ws, struct slice agents);
/* Keys, sessions or agents of this user, or "*" of anybody, may have changed. Thread-safe. */
void ws_suspect(struct ws *ws, struct slice user_id);
/* Closes all sockets with 1001 and ends the thread; takes a few seconds at most. */
void ws_stop(struct ws *ws);
/* After the workers have ended. */
void ws_free(struct ws *ws);

#endif
