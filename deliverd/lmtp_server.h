/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMTP on a socket: connections, their limits and time-outs. Mails go to the
 * owner's on_mail(); the connection waits for the answers.
 */
#ifndef E2A_DELIVERD_LMTP_SERVER_H
#define E2A_DELIVERD_LMTP_SERVER_H

#include "common/base/settings.h"
#include "deliverd/lmtp.h"
#include "deliverd/loop.h"

struct lmtp_server;
struct lmtp_conn;

struct lmtp_server_config {
	const struct settings *settings;
	struct lmtp_limits limits;
	/* The mail is the callee's; one lmtp_server_answer() must follow, not from inside. */
	void (*on_mail)(struct lmtp_conn *c, struct mail *m, void *arg);
	void *arg;
};

struct lmtp_reply {
	enum err code;
	struct slice text; /* instead of the code's own, or empty */
};

/* Binds and listens. ERR_CONFIG when the address is malformed or in use. `config` is copied. */
enum err lmtp_server_new(struct loop *loop, const struct lmtp_server_config *config,
			 struct lmtp_server **ret, struct fail *fail) MUST_CHECK;
/* One reply for each recipient of the connection's mail. */
void lmtp_server_answer(struct lmtp_conn *c, const struct lmtp_reply *replies, size_t n);
/* No new connections; those that are idle get 421, the others when they become so. */
void lmtp_server_drain(struct lmtp_server *s);
size_t lmtp_server_connections(const struct lmtp_server *s);
/* Cuts what is left and frees. No mail may be without its answer. */
void lmtp_server_free(struct lmtp_server *s);
DEFINE_FREEP(struct lmtp_server, lmtp_server_free)

#endif
