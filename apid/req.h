/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, from the first line to the answer. The server fills it, a
 * worker runs it; only one thread has it at a time. A function that returns
 * false has written the answer already.
 */
#ifndef E2A_APID_REQ_H
#define E2A_APID_REQ_H

#include "apid/app.h"
#include "apid/auth.h"
#include "apid/client_addr.h"
#include "apid/framing.h"
#include "apid/resp.h"
#include "apid/route.h"
#include "apid/target.h"
#include "apid/upgrade.h"
#include "apid/waits.h"
#include "common/base/ids.h"
#include "common/store/store_agent.h"

struct store_idem;

enum { REQ_ID_DIGITS = 16 };

/*
 * The header fields that somebody here reads; absent ones are empty. Of several
 * with one name the first counts, where nothing else is said.
 */
struct req_fields {
	struct slice accept_encoding;
	struct slice authorization;
	struct slice content_type;
	struct slice cookie; /* all of them, joined by "; " */
	struct slice origin;
	struct slice sec_fetch_site;
	struct slice host;
	struct slice idempotency_key;
	struct slice if_none_match; /* all of them, joined by ", " */
	struct slice forwarded_for; /* all fields of that name, joined by ", " */
	struct slice last_event_id;
};

/*
 * A handler that wants to wait for mail enters (waits.h), writes the answer for the case that
 * none comes, and sets `again`. That is called on a worker when there may be mail, and clears
 * itself when its answer is to go out.
 */
struct req_wait {
	struct wait place;
	void (*again)(struct req *r);
	void *arg;
	void (*free)(void *arg); /* called once; may be NULL */
};

struct req {
	const struct app *app;
	struct arena arena;
	char id[TOKEN_HEX_LEN + 1]; /* in the log and in X-Request-Id */
	struct slice method;
	struct target target;
	const struct route *route;
	struct slice param[ROUTE_PARAMS_MAX];
	struct req_fields field;
	struct buf cookies, tags, hops; /* where fields are joined */
	struct netaddr client_ip;       /* client_addr.h */
	struct slice client;            /* the same, as text */
	struct upgrade upgrade;
	struct framing framing;
	struct buf body;
	bool body_bad;    /* longer than the route admits */
	bool body_unread; /* so long that none of it was read */
	struct principal principal;
	const struct store_idem *idem; /* the key it may be repeated by, once idem_admit() saw it */
	struct db *db;                 /* while a worker runs the handler */
	struct resp resp;
	struct req_wait wait;
};

struct req *req_new(const struct app *app);
void req_free(struct req *r);

/*
 * Finds the route. False when that alone decides: 404, 405, 301, or a target
 * that cannot be read.
 */
bool req_route(struct req *r, struct slice method, struct slice raw_target);
/* Keeps a header field if it is one of req_fields. */
void req_field(struct req *r, struct slice name, struct slice value);
/* Who is at the other end; after the last field. */
void req_came_from(struct req *r, const struct client_peer *peer);
/*
 * May the body be read, for one that is large? Answers when the credential alone decides that;
 * req_run() looks at it again.
 */
void req_admit(struct req *r, struct db *db);
/* Limit, authentication, scope, handler. */
void req_run(struct req *r, struct db *db);
/* For one that waited: what its handler left to be done again. */
void req_run_again(struct req *r, struct db *db);

/* False, with the answer of the route for an absent object. */
bool req_deny(struct req *r);
/*
 * The principal of an API key or, without an Authorization header, of the session
 * cookie. Else 401 with `text`, or 403 for an act that a page of somebody else asks for.
 */
bool req_authenticate(struct req *r, const char *text);
/*
 * The principal of the session cookie, for routes where signing in is optional.
 * Writes no answer: ERR_UNAUTHORIZED when there is no valid one. Does not ask where
 * the request was made: what acts on it calls req_same_origin() too.
 */
enum err req_session(struct req *r, struct fail *fail) MUST_CHECK;
/* The value of the first cookie of that name (cookie.h), or an empty slice. */
struct slice req_cookie(const struct req *r, struct slice name);
/*
 * A field of a body that is an HTML form (multipart/form-data where Content-Type says so, else
 * application/x-www-form-urlencoded), decoded, or empty; of several the first. It may hold
 * any byte, NUL too. A body that is too long has no fields; what is absent has no address.
 */
struct slice req_form(struct req *r, struct slice name);
/*
 * False, with 403 as answer, unless the request comes from a page of our own:
 * Sec-Fetch-Site, else Origin, has to say so. For everything that acts on the
 * strength of a cookie, and for every HTML form but those of req_link_form().
 */
bool req_same_origin(struct req *r);
/* False, with the answer, unless it is a form of bounded size from a page of our own. */
bool req_own_form(struct req *r);
/*
 * The same for the page of a mailed link, whose token alone authorises: no cookie comes into
 * it. Text browsers send neither field; who has the token needs no page to send it from.
 */
bool req_link_form(struct req *r);
/* Reads the body by a table; 400 `invalid request body` otherwise. */
bool req_json(struct req *r, const struct jsonf_row *table, void *ret);
/* The same where the body may be left out; *ret stays as it is then. */
bool req_json_if_any(struct req *r, const struct jsonf_row *table, void *ret);
/*
 * Frees a body that may be large, after req_json(). Only where the dispatcher
 * authenticates: it has looked at the body for the Idempotency-Key.
 */
void req_forget_body(struct req *r);
/* The agent of the first path parameter; else the row's answer for an absent object. */
bool req_agent(struct req *r, struct store_agent *ret);
/*
 * Acts in one transaction of r->db. The act stores what it stores and writes
 * the answer of success; it may run more than once. With an Idempotency-Key the
 * key and the answer are stored in that transaction, and a request that repeats
 * one gets the stored answer instead of a second act. OK: there is an
 * answer. Else what the act returned: nothing was stored, the caller answers.
 */
enum err req_act(struct req *r, enum err (*act)(struct req *r, void *arg, struct fail *fail),
		 void *arg, struct fail *fail) MUST_CHECK;
/* A failure that is not the client's doing: logged, answered with `text`. */
void req_fail(struct req *r, const struct fail *fail, const char *text);

#endif
