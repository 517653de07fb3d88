/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: its parts, their start and their end. */
#ifndef E2A_DELIVERD_DELIVERD_H
#define E2A_DELIVERD_DELIVERD_H

#include "common/base/keys.h"
#include "common/base/mem.h"
#include "common/base/settings.h"

#define DELIVERD_PROGRAM "e2a-deliverd"
#define DELIVERD_ROLE "e2a_deliverd"

struct deliverd;

/*
 * Checks database, schema and settings and starts everything; serves when it
 * returns. ERR_CONFIG and ERR_SCHEMA are for people to mend; ERR_STORAGE may
 * pass. Settings and keys are borrowed.
 */
enum err deliverd_new(const struct settings *s, const struct keys *keys, struct deliverd **ret,
		      struct fail *fail) MUST_CHECK;
/* Serves until SIGTERM, then drains: what is under way gets DELIVERD_DRAIN_MS. */
void deliverd_run(struct deliverd *d);
void deliverd_free(struct deliverd *d);
DEFINE_FREEP(struct deliverd, deliverd_free)

enum { DELIVERD_DRAIN_MS = 20000 };

#endif
