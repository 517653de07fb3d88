/* SPDX-License-Identifier: Apache-2.0 */
/* Codes in the answers of mail systems. For the readers of bounces only. */
#ifndef E2A_MAIL_BOUNCE_STATUS_H
#define E2A_MAIL_BOUNCE_STATUS_H

#include "common/base/arena.h"
#include "common/base/slice.h"

/* An enhanced status code (RFC 3463 2) of class 2, 4 or 5 at the start of s; else empty. */
struct slice bounce_status_at(struct slice s);
/* The first one of that class in a text, apart from addresses and version numbers; else empty. */
struct slice bounce_status_in(struct slice text, char class);
/*
 * What an answer means that has no enhanced status code, or only "x.0.0": by its SMTP code,
 * then by its words. Empty when neither tells.
 */
struct slice bounce_status_guess(struct slice text, struct arena *a);
/* True when the text has an SMTP code (RFC 5321 4.2) of that class. */
bool bounce_has_code(struct slice text, char class);

/* True when the text holds one of the `n` phrases, which are in lower case; in any case. */
bool bounce_has_phrase(struct slice text, const char *const *phrases, size_t n, struct arena *a);

#endif
