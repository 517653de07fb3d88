/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail to the address of a reviewer's answer. It goes to no agent: it decides about the
 * held mail, or is written down and dropped. Only the reviewer is ever told what it came
 * to, and at the address that was asked.
 */
#ifndef E2A_DELIVERD_REVIEW_H
#define E2A_DELIVERD_REVIEW_H

#include "common/store/db.h"
#include "deliverd/ingest.h"
#include "deliverd/review_read.h"

/* One recipient that is such an address. Slices live in the arena of the mail. */
struct review {
	size_t rcpt; /* its index in the envelope */
	struct slice address, token;
	const char *verdict; /* why the milter's is not trusted, or NULL */
	struct review_answer answer;
	struct slice message_id; /* that it is about */
	struct slice outcome;    /* "approved", "rejected", or why it decided nothing */
	bool told;               /* the reviewer gets a mail */
	enum err code;           /* OK, ERR_NOT_FOUND for no such token, or why nothing was done */
	struct fail fail;
};

/* Finds them in the envelope; *ret has an element for each. Returns how many. */
size_t review_find(struct mail *m, struct review **ret);
/* Blocks. Before the mail is cleaned. Doing it again with the same mail changes nothing. */
void review_store(struct mail *m, const struct ingest_config *config, const struct keys *keys,
		  struct db *db, struct review *r);

#endif
