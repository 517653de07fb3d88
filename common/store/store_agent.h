/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents. Every look-up carries the user: somebody else's agent is
 * ERR_NOT_FOUND, exactly like an absent one. An `address` is the folded form of
 * an agent's e-mail (addr_fold), an `email` the form it was registered in.
 */
#ifndef E2A_STORE_STORE_AGENT_H
#define E2A_STORE_STORE_AGENT_H

#include "common/store/store_account.h"
#include "common/store/store_event.h"

extern const struct db_stmt store_agent_stmts[];

struct store_agent {
	struct slice email;
	struct slice address;
	struct slice domain;
	struct slice name;
	struct slice agent_mode; /* "cloud" or "local" */
	struct slice webhook_url;
	bool domain_verified;
	bool hitl_enabled;
	int64_t hitl_ttl_seconds;
	struct slice hitl_expiration_action;
	int64_t created_us;
};

/* All agents of a user, newest first. */
enum err store_agent_list(struct db *db, struct slice user_id, struct arena *a,
			  struct store_agent **ret, size_t *ret_n, struct fail *fail) MUST_CHECK;
enum err store_agent_find(struct db *db, struct slice user_id, struct slice address,
			  struct arena *a, struct store_agent *ret, struct fail *fail) MUST_CHECK;
/*
 * The same in a transaction that is going to change or delete it: nobody else
 * does before the end.
 */
enum err store_agent_lock(struct db *db, struct slice user_id, struct slice address,
			  struct arena *a, struct store_agent *ret, struct fail *fail) MUST_CHECK;
/*
 * In a transaction of the caller's. Uses email, address, domain, name,
 * agent_mode and webhook_url. ERR_CONFLICT when the address is taken, by
 * whomever, or kept from this user after it was (store_retired.h);
 * ERR_FORBIDDEN when the domain is neither verified by the user nor shared;
 * ERR_TOO_BIG when the user has `most` agents.
 */
enum err store_agent_create(struct db *db, struct slice user_id, const struct store_agent *agent,
			    int64_t most, struct fail *fail) MUST_CHECK;
/* Writes mode and URL of an agent that store_agent_lock() found. */
enum err store_agent_update(struct db *db, struct slice user_id, const struct store_agent *agent,
			    struct fail *fail) MUST_CHECK;
/*
 * Writes the three hitl fields. ERR_UNAUTHORIZED when the credential is not (any more) one of
 * the account.
 */
enum err store_agent_set_hitl(struct db *db, const struct store_account *by,
			      const struct store_agent *agent, struct fail *fail) MUST_CHECK;
/*
 * In the transaction in which an agent ceases to have a webhook: what waits for
 * it is unread mail instead, and the ledger says why.
 */
enum err store_agent_stop_webhook(struct db *db, struct slice user_id, struct slice email,
				  enum event_reason why, struct fail *fail) MUST_CHECK;
/*
 * Deletes an agent that store_agent_lock() found, with its mail; its keys are
 * of no use from now on, and its address is kept from others for kept_ms, on the
 * shared domain for good. Takes as long as its mailbox is large.
 */
enum err store_agent_delete(struct db *db, struct slice user_id, struct slice email,
			    int64_t kept_ms, struct fail *fail) MUST_CHECK;

#endif
