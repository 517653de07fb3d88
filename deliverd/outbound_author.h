/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As whom an agent's mail goes out. To agents of ours always as the agent itself.
 * To the world too when the key of its domain is seen in DNS, so that the mail
 * authenticates; else in the name of the deployment, with Reply-To the agent.
 */
#ifndef E2A_DELIVERD_OUTBOUND_AUTHOR_H
#define E2A_DELIVERD_OUTBOUND_AUTHOR_H

#include "common/base/keys.h"
#include "common/mail/sender.h"
#include "common/store/store_outbound.h"
#include "deliverd/dkim_sign.h"

struct outbound_author {
	struct slice address;  /* header From */
	struct slice domain;   /* of it, in A-labels: that of the envelope sender too */
	struct slice name;     /* display name, or empty */
	struct slice reply_to; /* or empty */
	bool sign;
	bool unable; /* it should be signed, and the key does not open */
	struct dkim_sign_key key;
};

/* Domains whose keys were looked up for one batch of jobs. */
struct outbound_authors;

/* Both are borrowed. */
struct outbound_authors *outbound_authors_new(const struct sender *sender, const struct keys *keys);
/* Overwrites the keys. */
void outbound_authors_free(struct outbound_authors *a);
DEFINE_FREEP(struct outbound_authors, outbound_authors_free)
/* The author of a job. Texts belong to `authors` and to the job. */
enum err outbound_author(struct outbound_authors *authors, struct db *db,
			 const struct store_outbound_job *job, struct outbound_author *ret,
			 struct fail *fail) MUST_CHECK;

#endif
