/* SPDX-License-Identifier: Apache-2.0 */
/* What the columns of a message say, read from the bytes that will be stored. */
#ifndef E2A_DELIVERD_PARSED_H
#define E2A_DELIVERD_PARSED_H

#include "common/mail/verdict.h"
#include "common/store/store_ingest.h"

enum { SUBJECT_MAX = 4096, MESSAGE_ID_MAX = 998, AUTO_SUBMITTED_MAX = 200 };

/* Fills the fields of *ret that come from the header section. Never fails. */
void parsed_header(struct slice raw, struct slice envelope_sender, struct arena *a,
		   struct ingest_mail *ret);
/*
 * Fills what comes from the verdict. `v` is NULL when there is none to trust;
 * `reason` then says why. After parsed_header().
 */
void parsed_verdict(const struct verdict *v, const char *reason, struct arena *a,
		    struct ingest_mail *ret);

#endif
