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
#include "apid/resp.h"
#include "apid/route.h"
#include "apid/target.h"
#include "apid/upgrade.h"
#include "common/base/ids.h"
#include "common/store/store_agent.h"

enum { REQ_ID_DIGITS = 16 };

struct req {
	const struct app *app;
	struct arena arena;
	char id[TOKEN_HEX_LEN + 1]; /* in the log and in X-Request-Id */
	struct slice method;
	struct target target;
	const struct route *route;
	struct slice param[ROUTE_PARAMS_MAX];
	struct slice authorization;
	struct upgrade upgrade;
	struct buf body;
	bool body_bad; /* longer than the route admits */
	struct principal principal;
	struct db *db; /* while a worker runs the handler */
	struct resp resp;
};

struct req *req_new(const struct app *app);
void req_free(struct req *r);

/*
 * Finds the route. False when that alone decides: 404, 405, 301, or a target
 * that cannot be read.
 */
bool req_route(struct req *r, struct slice method, struct slice raw_target);
/* Authentication, scope, handler. */
void req_run(struct req *r, struct db *db);

/* 401 with `text` unless the request carries a valid credential. */
bool req_authenticate(struct req *r, const char *text);
/* Reads the body by a table; 400 `invalid request body` otherwise. */
bool req_json(struct req *r, const struct jsonf_row *table, void *ret);
/* The agent of the first path parameter; else the row's answer for an absent object. */
bool req_agent(struct req *r, struct store_agent *ret);
/* A failure that is not the client's doing: logged, answered with `text`. */
void req_fail(struct req *r, const struct fail *fail, const char *text);

#endif
