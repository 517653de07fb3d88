/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger (message_events): what happened to a message, in words of closed
 * lists. A row is written by the statement that makes the fact, so the lists
 * are here and the INSERTs are with the facts.
 */
#ifndef E2A_STORE_STORE_EVENT_H
#define E2A_STORE_STORE_EVENT_H

#include "common/store/db.h"

/*
 * Why a call of a webhook did not succeed, or was not made, and the same of handing a mail to
 * Postfix; the order is that of event_reason_name().
 */
enum event_reason {
	EVENT_NO_REASON,
	EVENT_HTTP_STATUS,     /* an answer other than 2xx */
	EVENT_HTTP_GONE,       /* 410: the endpoint wants no more */
	EVENT_CONNECT,         /* no connection */
	EVENT_TLS,             /* handshake or certificate */
	EVENT_TIMEOUT,         /* no answer in time */
	EVENT_BROKEN,          /* the connection broke off */
	EVENT_DNS,             /* temporary failure of name service */
	EVENT_NO_ADDRESS,      /* the name has no address */
	EVENT_ADDRESS_REFUSED, /* an address that may not be called */
	EVENT_URL_REFUSED,     /* no usable URL, or http where https is required */
	EVENT_NO_SECRET,       /* the user has no signing secret that opens */
	EVENT_NOT_CLOUD,       /* the agent has left cloud mode */
	EVENT_ACCOUNT_DELETED, /* there is nobody left to call for */
	EVENT_AGENT_DELETED,   /* the agent is gone */
	EVENT_SMTP_LATER,      /* Postfix said 4xx to the mail, or to some recipients */
	EVENT_SMTP_REFUSED,    /* ... 5xx */
	EVENT_STOPPED,         /* e2a-deliverd was stopped */
	EVENT_EXPIRED,         /* it was tried for as long as it may be */
	EVENT_UNUSABLE,        /* what was stored cannot be made a mail */
	EVENT_NO_KEY,          /* a key that is needed does not open */
	EVENT_NO_RECIPIENT,    /* all of them are suppressed */
	EVENT_NO_ANSWER,       /* Postfix may have it, and did not say so */
	EVENT_FOUND,           /* Postfix has it, by its queue or log */
	EVENT_NOT_FOUND,       /* it has not, by both */
	EVENT_UNTRACEABLE,     /* they cannot be read, or not far enough back */
	EVENT_OTHER_HOST,      /* they are on another host */
	EVENT_OPERATOR,        /* somebody decided so by e2a-admin */
	EVENT_ALTERED,         /* it is not what was accepted, or approved */
	EVENT_STORAGE,         /* the database did not take what has to be there first */
	EVENT_DISABLED,        /* the endpoint wanted no more before */
	EVENT_REASON_COUNT
};

const char *event_reason_name(enum event_reason r);

extern const struct db_stmt store_event_stmts[];

/* Deletes at most `limit` rows older than `age_ms`; *ret_n says how many. */
enum err store_event_expire(struct db *db, int64_t age_ms, int64_t limit, size_t *ret_n,
			    struct fail *fail) MUST_CHECK;

#endif
