/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said of a DKIM-Signature field before any look-up (RFC 6376 3.2,
 * 3.5): signatures that could never count are not shown to the library.
 */
#ifndef E2A_MILTER_DKIM_VET_H
#define E2A_MILTER_DKIM_VET_H

#include "common/base/arena.h"
#include "common/mail/verdict.h"

/*
 * OK when the signature is worth verifying; else ERR_INPUT, and result and
 * reason of *ret say why not. Domain and selector are filled in when their
 * grammar is right (a domain is LDH labels and nothing else).
 */
enum err dkim_vet(struct slice value, struct arena *a, struct verdict_dkim *ret) MUST_CHECK;
/*
 * How many fields of this name the signature covers: as often as h= has it, so many of them
 * are signed, from the last one up (RFC 6376 5.4.2). None when the tags cannot be read.
 */
size_t dkim_signed_fields(struct slice value, struct slice name);

#endif
