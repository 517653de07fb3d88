/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that may be repeated (Idempotency-Key). A POST that carries the
 * field and succeeded is answered from what was kept when it comes again:
 * same method, path and body, same owner. req_act() in req.h does the acting.
 */
#ifndef E2A_APID_IDEM_H
#define E2A_APID_IDEM_H

#include "apid/req.h"

enum { IDEM_KEY_MAX = 255 };

/*
 * False when that alone answers the request: it repeats one that was answered,
 * its key belongs to another request (422), or the key cannot be one (400).
 * A handler that authenticates by itself calls it before it looks at anything
 * that may have changed since; for the others the dispatcher does.
 */
bool idem_admit(struct req *r);

#endif
