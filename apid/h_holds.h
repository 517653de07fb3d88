/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions about held mail by somebody who may act for the account, as the routes of the
 * API make them; for pages that ask the same otherwise. The mail is the first path parameter
 * of the request, the answer that of the API: 200, or an error with its text.
 */
#ifndef E2A_APID_H_HOLDS_H
#define E2A_APID_H_HOLDS_H

#include "apid/draft.h"
#include "apid/req.h"

/* Approves it with these changes, a draft of DRAFT_EDIT_INIT, checked here. */
void hold_approve_edited(struct req *r, struct draft *edits);
void hold_reject_because(struct req *r, struct slice reason);

#endif
