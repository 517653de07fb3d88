/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as integers: microseconds since 1970-01-01T00:00:00Z for wall-clock
 * time (the resolution of Postgres), milliseconds of CLOCK_MONOTONIC for
 * deadlines. Text forms are in UTC.
 */
#ifndef E2A_BASE_CLOCK_H
#define E2A_BASE_CLOCK_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

enum { CLOCK_TEXT_MAX = 32 }; /* bytes for any text form, NUL included */

int64_t clock_now_us(void);
int64_t clock_mono_ms(void);

/*
 * 2026-01-15T10:30:00.5Z: up to 6 fractional digits, trailing zeros removed.
 * Times outside of the years 0001 to 9999 are written as the nearest one inside.
 */
void clock_rfc3339_us(int64_t t_us, char ret[CLOCK_TEXT_MAX]);
/* 2026-01-15T10:30:00Z: whole seconds, cut. */
void clock_rfc3339_s(int64_t t_us, char ret[CLOCK_TEXT_MAX]);
/* Thu, 15 Jan 2026 10:30:00 UTC, for people (RFC 1123 5.2.14): whole seconds, cut. */
void clock_rfc1123(int64_t t_us, char ret[CLOCK_TEXT_MAX]);
/* Reads RFC 3339 (days that exist, a leap second as the next one) with 0..9 fractional digits (cut
 * to 6) and Z or numeric offset. */
enum err clock_parse_rfc3339(struct slice s, int64_t *ret_us) MUST_CHECK;

#endif
