/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents. Every look-up carries the user: somebody else's agent is
 * ERR_NOT_FOUND, exactly like an absent one. An `address` is the folded form of
 * an agent's e-mail (addr_fold), an `email` the form it was registered in.
 */
#ifndef E2A_STORE_STORE_AGENT_H
#define E2A_STORE_STORE_AGENT_H

#include "common/store/db.h"

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
 * Uses email, address, domain, name, agent_mode and webhook_url. ERR_CONFLICT
 * when the address is taken, by whomever; ERR_FORBIDDEN when the domain is
 * neither verified by the user nor shared.
 */
enum err store_agent_create(struct db *db, struct slice user_id, const struct store_agent *agent,
			    struct fail *fail) MUST_CHECK;

#endif
