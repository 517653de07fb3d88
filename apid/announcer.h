/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells e2a-deliverd that there are jobs: one NOTIFY for many, on a connection of its
 * own, so that no request waits for it. A hint: what is lost, deliverd finds by itself.
 */
#ifndef E2A_APID_ANNOUNCER_H
#define E2A_APID_ANNOUNCER_H

#include "common/base/settings.h"

struct announcer;

struct announcer *announcer_new(const struct settings *s);
/* Thread-safe; returns at once. */
void announcer_post(struct announcer *a);
/* What was posted is told first. */
void announcer_free(struct announcer *a);

#endif
