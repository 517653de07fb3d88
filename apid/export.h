/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports on their way out: all of one account as one JSON document, made from
 * one state of the database, in memory that does not grow with the account.
 * Each holds a database connection; so there are few at a time, one per user.
 */
#ifndef E2A_APID_EXPORT_H
#define E2A_APID_EXPORT_H

#include "apid/resp.h"
#include "common/base/settings.h"

struct exports; /* those that are under way in this process */

struct exports *exports_new(const struct settings *s);
void exports_free(struct exports *x);

/*
 * Begins one; what stands at the beginning of the document is read already.
 *   ERR_BUSY       as many are under way as may be
 *   ERR_RATE       one of this user is
 *   ERR_NOT_FOUND  there is no such user
 * The source fails with ERR_TIMEOUT when export_timeout is over.
 */
enum err export_begin(struct exports *x, struct slice user_id, struct resp_source *ret,
		      struct fail *fail) MUST_CHECK;

#endif
