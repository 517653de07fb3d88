/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may open a WebSocket to an agent. One answer for both doors: the look
 * before the upgrade, and the HTTP route that explains a refusal.
 */
#ifndef E2A_APID_WS_ADMIT_H
#define E2A_APID_WS_ADMIT_H

#include "apid/app.h"
#include "apid/auth.h"
#include "apid/client_addr.h"
#include "apid/head.h"
#include "common/store/store_agent.h"

enum ws_admission {
	WS_ADMITTED,
	WS_NO_TOKEN,
	WS_BAD_TOKEN,
	WS_NO_SESSION,   /* a cookie alone, of no session */
	WS_STRANGE_PAGE, /* a cookie alone, that a page of somebody else borrows */
	WS_NO_AGENT,     /* absent, foreign or out of scope */
	WS_NOT_LOCAL,
	WS_TROUBLE, /* ours; *fail says what */
};

/*
 * Fills principal and agent when admitted. A browser says by itself who is signed in, whichever
 * page opens the socket, and lets that page read it: a cookie counts for pages of our own only.
 */
enum ws_admission ws_admit(const struct app *app, struct db *db, const struct head *head,
			   struct arena *a, struct principal *ret_principal,
			   struct store_agent *ret_agent, struct fail *fail);
/*
 * Sends a worker to admit the socket. It then goes to the WebSocket thread, or,
 * when it is refused, to the HTTP server. False when no worker is to be had;
 * the caller keeps the socket.
 */
bool ws_admit_socket(const struct app *app, int fd, const struct head *head,
		     const struct client_peer *peer);

#endif
