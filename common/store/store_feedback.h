/* SPDX-License-Identifier: Apache-2.0 */
/* What users tell the operator. It is kept until its user goes, and of those without one for good.
 */
#ifndef E2A_STORE_STORE_FEEDBACK_H
#define E2A_STORE_STORE_FEEDBACK_H

#include "common/base/arena.h"
#include "common/store/db.h"

extern const struct db_stmt store_feedback_stmts[];

struct store_feedback {
	struct slice id;
	struct slice user_id;  /* empty: nobody is signed in */
	struct slice email;    /* empty: that of the user */
	struct slice category; /* bug, feature, general */
	struct slice message;
};

/* *ret_email, in the arena, is the address that was stored; it may be empty, or no address at all.
 */
enum err store_feedback_add(struct db *db, const struct store_feedback *f, struct arena *a,
			    struct slice *ret_email, struct fail *fail) MUST_CHECK;

#endif
