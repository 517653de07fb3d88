/* SPDX-License-Identifier: Apache-2.0 */
/* The one form in which clients see mail that an agent wrote. */
#ifndef E2A_APID_SENT_JSON_H
#define E2A_APID_SENT_JSON_H

#include "common/base/jsonf.h"
#include "common/store/store_sent.h"

/* The keys that a list of held mail has, into an object of the caller's. */
void sent_json_held(struct jsonw *w, const struct store_sent *m);
/*
 * Its keys, into an object of the caller's; with `decision` also whether it had to wait for a human
 * and what became of that. Agents neither read nor decide holds.
 */
void sent_json_keys(struct jsonw *w, const struct store_sent *m, bool decision);

#endif
