/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a mail in memory to rows in the database: trust or not, clean, parse,
 * store. Answers come after the commit (invariant I1).
 */
#ifndef E2A_DELIVERD_INGEST_H
#define E2A_DELIVERD_INGEST_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/mail/verdict.h"
#include "common/store/store_ingest.h"
#include "deliverd/mail.h"

/* What of the mail was stored, for whoever tells the agents. */
struct ingest {
	struct ingest_mail mail;
	struct ingest_rcpt *rcpts; /* one per different recipient */
	size_t rcpts_n;
	size_t *rcpt_of; /* for each recipient of the envelope: its index in rcpts, or SIZE_MAX */
	enum err code;   /* OK, or why nothing was stored */
	struct fail fail;
};

struct ingest_config {
	const struct settings *settings;
	struct slice seal_key;
	struct slice lease_id; /* of webhook jobs; empty: leave them to whoever claims */
	int64_t lease_ms;
	int64_t give_up_ms; /* a webhook job is tried for so long at most */
};

/*
 * Blocks. Cleans m->raw in place; everything in *ret lives in m->arena or m->raw.
 * *ret->code is ERR_STORAGE and the like when nothing is known to be stored.
 */
void ingest_store(struct mail *m, const struct ingest_config *config, struct db *db,
		  struct ingest *ret);
/*
 * The LMTP reply of recipient i of the envelope. *ret_text replaces the code's text unless empty.
 */
enum err ingest_reply(const struct ingest *in, size_t i, struct slice *ret_text);
/*
 * May the milter's verdict about this mail be trusted? Else *ret_reason is the word of
 * verdict_check(). Before m->raw is cleaned.
 */
bool ingest_trusts(struct mail *m, const struct ingest_config *config, struct verdict *ret,
		   const char **ret_reason);
/* The first half of ingest_store(): everything but the database. */
void ingest_prepare(struct mail *m, const struct ingest_config *config, struct ingest *ret);

#endif
