/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipients of a mail that an agent writes: what callers give becomes the
 * three lists that are stored, shown and sent to. What passes here is taken by any
 * Postfix: ASCII, a local part without quotes, IDN domains as A-labels.
 *
 * Addresses are lower-cased as a whole, "Alice <A@B.c>" to "a@b.c", as clients have always
 * seen them in answers. RFC 5321 2.4 would keep the case of a local part, and no mail
 * system is known to need it; addresses that differ in case only are one recipient.
 */
#ifndef E2A_APID_RECIPIENTS_H
#define E2A_APID_RECIPIENTS_H

#include "common/base/arena.h"
#include "common/base/buf.h"

enum {
	RECIPIENTS_ASKED_MAX = 10000, /* addresses read, before duplicates are dropped */
	RECIPIENTS_REASON_MAX = 1024, /* bytes of the longest reason */
};

struct recipients_list {
	const struct slice *v;
	size_t n;
};

struct recipients_asked {
	struct recipients_list to, cc, bcc; /* blank ones count as absent */
	struct slice agent;                 /* the sender */
	struct slice from_domain;           /* may be empty */
	bool keep_own;                      /* do not drop the sender: the test mail */
	size_t max;                         /* recipients that are left */
};

/* The envelope is all of it: to, then cc, then bcc, one behind the other. */
struct recipients {
	const struct slice *v;
	size_t n;
	struct recipients_list to, cc, bcc; /* parts of v */
};

/*
 * Without the sender (with any "+tag", and agent@<from_domain>) and without duplicates: the
 * first one stays, and To beats Cc beats Bcc. ERR_INPUT with the answer's text appended to
 * *ret_reason: `invalid To address: "<input>": <detail>` (CC, BCC), `no valid recipients`
 * when To and Cc are empty, `too many recipients (max <max>)`. The text is one line
 * without controls, whatever was given.
 */
enum err recipients_normalise(const struct recipients_asked *asked, struct arena *a,
			      struct recipients *ret, struct buf *ret_reason) MUST_CHECK;

#endif
