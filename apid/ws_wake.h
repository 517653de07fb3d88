/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that listens to Postgres for "new mail" and passes it on to the WebSockets. */
#ifndef E2A_APID_WS_WAKE_H
#define E2A_APID_WS_WAKE_H

#include "apid/app.h"

/* e2a-deliverd says here which agents have mail: addresses, or "*" for all. */
#define WS_WAKE_CHANNEL "e2a_mail"

struct ws_wake;

struct ws_wake *ws_wake_new(const struct app *app);
void ws_wake_free(struct ws_wake *w);

#endif
