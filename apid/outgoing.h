/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting a mail that an agent writes, whichever route it came by: the checks that
 * they share, and the one act that stores it and answers. What returns false has answered.
 */
#ifndef E2A_APID_OUTGOING_H
#define E2A_APID_OUTGOING_H

#include "apid/draft.h"
#include "apid/recipients.h"
#include "apid/req.h"

/* Reads the body by a table of `struct draft`, and forgets it. */
bool outgoing_json(struct req *r, const struct jsonf_row *table, struct draft *ret);
/* The changes of a mail that is stored; none without a body. */
bool outgoing_json_edits(struct req *r, struct draft *ret);
/* 400 for what cannot be sent. */
bool outgoing_read(struct req *r, const struct draft *d, struct draft_parts *ret);
/* Is the agent within its limit? Counts one. */
bool outgoing_count(struct req *r, const struct store_agent *agent);
/* 403 with `text` when nobody has proved the agent's domain. */
bool outgoing_verified(struct req *r, const struct store_agent *agent, const char *text);

struct outgoing {
	const struct store_agent *agent;
	struct slice kind;                  /* "send", "reply" or "test" */
	struct slice author;                /* header From; empty: the agent's address */
	struct recipients_list to, cc, bcc; /* as they were asked for */
	struct slice subject, text, html;
	struct slice conversation_id;
	struct draft_parts parts;
	struct slice auto_submitted;
	const char *failed; /* the text of a 500 */
};

/*
 * 400 for what could not be sent to whom it is for; *ret are those, as they are stored.
 * Whether they are on the suppression list is asked when the mail leaves, or is stored.
 */
bool outgoing_check(struct req *r, const struct outgoing *o, struct slice message_id,
		    struct recipients *ret);
/*
 * Validates the recipients, stores the mail with its jobs or its hold, and answers: 200,
 * 202, or why not.
 */
void outgoing_submit(struct req *r, const struct outgoing *o);

#endif
