/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the browser brings back when somebody has signed in: one HTTP request with a form in it,
 * from bytes to an answer. No sockets. Anything on this computer may connect and send anything;
 * only a form with the right state means something.
 */
#ifndef E2A_CLI_CALLBACK_H
#define E2A_CLI_CALLBACK_H

#include "common/base/arena.h"
#include "common/base/buf.h"

enum { CALLBACK_HEAD_MAX = 16 * 1024, CALLBACK_BODY_MAX = 16 * 1024 };

enum callback_result {
	CALLBACK_MORE,    /* the request is not whole */
	CALLBACK_OTHER,   /* not what is waited for; answer it and go on waiting */
	CALLBACK_GRANTED, /* there is a key */
	CALLBACK_DENIED   /* the state is right, and there is an error instead of a key */
};

struct callback { /* of one connection */
	struct buf in;
	struct slice state; /* what the form has to carry */
	struct arena arena;
	/* once the request is whole: */
	int status;           /* of the answer */
	struct slice api_key; /* GRANTED */
	struct slice agent_email;
	struct slice error; /* DENIED: what the form says */
};

/* `state` outlives it and is not empty. */
void callback_init(struct callback *c, struct slice state);
void callback_release(struct callback *c);
/* The next bytes. Once the result is not MORE, nothing more is to be fed. */
enum callback_result callback_feed(struct callback *c, struct slice bytes);
/* The answer to send then, head and page: one of a few constants. */
const char *callback_answer(const struct callback *c, enum callback_result result);

#endif
