/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that listens to Postgres and passes on what it hears to the WebSockets and to those
 * who wait.
 */
#ifndef E2A_APID_WS_WAKE_H
#define E2A_APID_WS_WAKE_H

#include "apid/app.h"

/* e2a-deliverd says here which agents have mail: addresses, or "*" for all. */
#define WS_WAKE_CHANNEL "e2a_mail"
/* Triggers say here whose keys or agents have changed: the id of a user. */
#define WS_ACCESS_CHANNEL "e2a_access"

struct ws_wake;

struct ws_wake *ws_wake_new(const struct app *app);
void ws_wake_free(struct ws_wake *w);

#endif
