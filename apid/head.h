/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first look at the head of a request, to find out who shall serve the
 * connection. Only a request that is in every respect a WebSocket handshake
 * for an agent counts as one; all else is plain HTTP.
 */
#ifndef E2A_APID_HEAD_H
#define E2A_APID_HEAD_H

#include "apid/origin.h"
#include "common/base/arena.h"
#include "common/base/slice.h"

enum head_kind {
	HEAD_MORE,    /* not complete */
	HEAD_HTTP,    /* for the HTTP server, well-formed or not */
	HEAD_UPGRADE, /* a handshake for /api/v1/agents/{email}/ws */
};

struct head {
	struct slice agent;   /* decoded path segment */
	struct slice token;   /* of ?token=, or of the Authorization header */
	struct slice session; /* of the session cookie, where neither shows a token */
	struct origin origin;
	bool only_new; /* of ?new= */
};

/*
 * Fills token or session by what was shown: a token in the query, else the Authorization field,
 * else the session cookie. A token that is wrong is not helped by a cookie.
 */
void head_credential(struct head *h, struct slice query_token, struct slice authorization,
		     struct slice cookie);
/*
 * `bytes` is what has come so far. *ret is filled for HEAD_UPGRADE; its texts live in the arena
 * and in the bytes.
 */
enum head_kind head_look(struct slice bytes, struct arena *a, struct head *ret);

#endif
