/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait between the attempts at something: the setting webhook_schedule. */
#ifndef E2A_BASE_SCHEDULE_H
#define E2A_BASE_SCHEDULE_H

#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { SCHEDULE_MAX = 32 };

struct schedule {
	int64_t wait_ms[SCHEDULE_MAX];
	size_t n;
};

/* Times separated by spaces, such as "5s 1m 2h", each at most a year; ERR_CONFIG. */
enum err schedule_read(const char *text, struct schedule *ret, struct fail *fail) MUST_CHECK;
/*
 * For how long all of it may take, with the chance that lengthens each wait by up to a
 * fifth, and an hour for the attempts.
 */
int64_t schedule_span_ms(const struct schedule *s);

#endif
