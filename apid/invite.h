/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a human by mail, for an account and about an agent: who may be asked, how often,
 * and the mail with its link. What is answered must not depend on whether the human has
 * an account, has been asked by others, or is on a domain of somebody else here.
 */
#ifndef E2A_APID_INVITE_H
#define E2A_APID_INVITE_H

#include "apid/limit.h"
#include "apid/req.h"

/* One question. */
struct invite {
	struct store_agent agent;
	struct slice address, domain; /* of the human, as sign_in_address() has them */
	const char *token;            /* of the link */
	uint8_t hash[SHA256_LEN];     /* of the token */
	int64_t lifetime_ms;          /* of the link */
	int64_t most;                 /* questions that the agent may have */
	bool mailed;                  /* mail may go there, and the human is not asked too often */
};

/* What came of it. */
struct invite_asked {
	struct slice address; /* as it was first written */
	bool mailed;          /* the link is to go there */
};

struct invite_kind {
	const char *name;             /* of the mail's kind, such as "delegation" */
	const char *names;            /* several */
	const char *field;            /* of the body: who is asked */
	const struct jsonf_row *body; /* that field, a text at offset 0 */
	const char *when_full;        /* what to do then */
	size_t most, lifetime_ms;     /* offsets of settings */
	enum limit mails, mails_all;  /* by account and address, by address */
	/* The mail. It is never mailed to who is not to be asked. */
	void (*write)(struct req *r, const struct invite *inv, struct slice owner,
		      struct buf *subject, struct buf *text);
	/*
	 * Stores the question, in the transaction in which it is mailed, and writes the answer.
	 * ERR_TOO_BIG: the agent has `most`; ERR_NOT_FOUND: it is gone; ERR_UNAUTHORIZED.
	 */
	enum err (*ask)(struct req *r, const struct invite *inv, struct invite_asked *ret,
			struct fail *fail) MUST_CHECK;
};

/* The whole request: to ask somebody, about the agent of its path. */
void invite_run(struct req *r, const struct invite_kind *kind);
/* How long the link is good, in words: "7 days". */
const char *invite_span(struct arena *a, const struct invite *inv);

#endif
