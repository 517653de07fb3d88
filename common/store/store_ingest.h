/* SPDX-License-Identifier: Apache-2.0 */
/* Storing one mail for all its recipients, in one statement. */
#ifndef E2A_STORE_STORE_INGEST_H
#define E2A_STORE_STORE_INGEST_H

#include "common/store/db.h"

struct ingest_texts {
	const struct slice *v;
	size_t n;
};

/* Clean UTF-8 without NUL in every text; `raw` is bytes. All borrowed. */
struct ingest_mail {
	struct slice raw_id;
	struct slice raw;
	uint8_t sha256[32];
	struct slice header_from;
	struct ingest_texts reply_to, to, cc;
	struct slice subject;
	struct slice email_message_id;
	struct slice in_reply_to;
	struct slice auto_submitted;
	struct ingest_texts parse_flags;
	struct slice envelope_sender;
	struct slice queue_id; /* empty: the mail cannot be told from its repetition */
	struct slice client_ip;
	struct slice helo;
	struct slice verdict;
	bool verified;
	struct slice sender;
	struct slice entity_type;     /* "agent": an agent of ours, if it is one, sent it */
	struct slice author;          /* ... with this folded address */
	struct slice conversation_id; /* that may be believed, or empty */
	struct ingest_texts parents;  /* Message-IDs that it answers, else */
	struct slice domain_check;
	struct slice authentication; /* JSON text */
	int64_t retention_ms;
	bool usage;            /* each copy that is stored is counted */
	struct slice lease_id; /* empty: jobs are left due for whoever claims them */
	int64_t lease_ms;
	int64_t give_up_ms; /* a webhook job is tried for so long at most */
};

struct ingest_rcpt {
	struct slice message_id; /* to be used if the mail is new */
	struct slice recipient;  /* as given */
	struct slice address;    /* folded (addr_fold) */
	struct slice base;       /* ... and without +tag */
	/* answer, in the arena */
	bool found;  /* there is such an agent */
	bool stored; /* false with `found`: it was stored before */
	struct slice agent_email, user_id;
	bool cloud;
	bool leased; /* there is a webhook job, under the lease; else it waits in its queue */
	struct slice webhook_url;
	int64_t created_us;
	struct slice entity_type, delegation, conversation_id; /* of what was stored */
	struct slice *secret_ids, *secrets; /* of stored cloud mail: sealed, newest first */
	size_t secrets_n;
};

extern const struct db_stmt store_ingest_stmts[];

/*
 * Stores the raw bytes once, a message, a ledger row and, for cloud agents, a
 * webhook job for each recipient that exists and has not got this mail
 * (queue id, recipient, SHA-256) before. Atomic, durable when it returns OK. The job is
 * leased unless there is no lease, or its endpoint is left alone for now; that of a disabled
 * endpoint has failed.
 */
enum err store_ingest(struct db *db, const struct ingest_mail *mail, struct ingest_rcpt *rcpts,
		      size_t n, struct arena *a, struct fail *fail) MUST_CHECK;

#endif
