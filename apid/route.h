/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one route table: method, path, who may, how much body, which worker, which handler. A
 * handler that is called has a principal whose scope reaches this far, unless
 * its row says otherwise.
 */
#ifndef E2A_APID_ROUTE_H
#define E2A_APID_ROUTE_H

#include "apid/limit.h"
#include "apid/target.h"
#include "apid/workers.h"

struct req;

enum { ROUTE_PARAMS_MAX = 3 };

enum route_access {
	ACCESS_PUBLIC,  /* no credential; answered without database or worker */
	ACCESS_ACCOUNT, /* a key of the account, or a session where no key is shown */
	ACCESS_AGENT,   /* ... or one that is bound to the agent in the path */
	ACCESS_SENDER,  /* ... or one of any agent, which the handler holds to it */
	ACCESS_SESSION, /* a browser that is signed in; no key */
	ACCESS_PERSON,  /* ... and that no key has signed in: what makes keys */
	ACCESS_HANDLER, /* the handler authenticates by itself, in its own order */
};

struct route {
	const char *method; /* "*" is any */
	const char *path;   /* "{}" is one segment that is not empty */
	enum route_access access;
	size_t body_max;
	enum job_class class;
	void (*run)(struct req *r);
	/* what a key of too narrow a scope is told: the answer for an absent object; NULL: the
	 * 404 of an unknown path */
	int denied_status;
	const char *denied;
	enum limit limit;         /* how often, see limit.h */
	const char *unauthorized; /* the text of a 401; NULL: "unauthorized" */
};

extern const struct route route_table[]; /* ends with a row without method */

struct route_match {
	const struct route *route; /* NULL: none */
	bool other_method;         /* the path is known, the method is not */
	struct slice param[ROUTE_PARAMS_MAX];
};

/* The most bytes that a row admits. */
size_t route_largest_body(void);
void route_find(struct slice method, const struct target *t, struct route_match *ret);

#endif
