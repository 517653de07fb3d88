/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens to which agent at this e2a-apid, told to the database for all to see. What
 * changes within a moment is written as one: when ten thousand clients come back at once, it is
 * ten statements, and one that is back before anybody looked costs nothing.
 */
#ifndef E2A_APID_PRESENCE_H
#define E2A_APID_PRESENCE_H

#include "apid/app.h"
#include "common/base/slice.h"

#include <stdint.h>

struct presence;

enum presence_kind { PRESENCE_SOCKET, PRESENCE_STREAM, PRESENCE_POLL, PRESENCE_KINDS };

struct presence *presence_new(const struct app *app);
/* After the workers have ended. */
void presence_free(struct presence *p);
/* A client of the agent (email) came, or went. Thread-safe, and returns at once. NULL is fine. */
void presence_open(struct presence *p, enum presence_kind kind, struct slice agent);
void presence_close(struct presence *p, enum presence_kind kind, struct slice agent);
/* About once a second: lets a worker write what changed. */
void presence_tick(struct presence *p, int64_t now_ms);
/* Lets a worker write that nobody is here any more; before the workers are stopped. */
void presence_stop(struct presence *p);

#endif
