/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket as a client (RFC 6455), one connection at a time. Nothing that a server sends
 * makes it wait for ever or take more memory than SOCKET_TEXT_MAX: whatever happens, the
 * connection ends, and struct socket_end says how. No extensions are offered, so nothing
 * comes compressed; redirects are not followed, so the key goes to no other host.
 */
#ifndef E2A_CLI_SOCKET_H
#define E2A_CLI_SOCKET_H

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/slice.h"

#include <stdint.h>

enum {
	SOCKET_TEXT_MAX = 1024 * 1024, /* bytes of one message */
	SOCKET_PARTS_MAX = 64 * 1024,  /* that it may come in */
	SOCKET_OPEN_MS = 20 * 1000,    /* from the connection to the answer to the upgrade */
	SOCKET_PONG_MS = 10 * 1000,    /* for the answer to a ping, or as long as between pings */
	SOCKET_PAUSE_MS = 5 * 1000,    /* that a receiver may take nothing */
};

struct socket_target {
	bool tls;
	const char *host; /* without brackets */
	uint16_t port;
	const char *name; /* for the field Host */
	const char *path;
	const char *authorization; /* for the field of that name; NULL for none */
};

enum socket_how {
	SOCKET_STOPPED,     /* socket_stop() was called */
	SOCKET_PAUSED,      /* the receiver took nothing for SOCKET_PAUSE_MS */
	SOCKET_UNREACHABLE, /* name service, network, TLS; or what answers speaks no HTTP */
	SOCKET_REFUSED,     /* status: of the answer to the upgrade */
	SOCKET_CLOSED,      /* status: the server's close code, 0 when it gave none */
	SOCKET_LOST,        /* the connection broke off */
	SOCKET_SILENT,      /* no answer to a ping */
	SOCKET_BROKEN,      /* the server sent what the protocol or the receiver does not allow */
};

struct socket_end {
	enum socket_how how;
	unsigned status;
	unsigned retry_after_s; /* of a refusal that says when to come again; else 0 */
	bool opened;            /* it was open, */
	int64_t open_ms;        /* for so long */
	char what[200];         /* for people, no line breaks; the peer's text in parts */
};

enum socket_take {
	SOCKET_MORE,
	SOCKET_PAUSE, /* this one was taken; no more until socket_resume() */
	SOCKET_REJECT /* no frame of this protocol: the connection ends as SOCKET_BROKEN */
};

struct socket_hooks { /* called by the thread that runs */
	void *arg;
	void (*opened)(void *arg);
	/* A whole text message, valid during the call; *ret_why of a rejected one is a literal. */
	enum socket_take (*text)(void *arg, struct slice text, const char **ret_why);
};

struct socket;

/* `tls`: it will be needed. `proxy`: NULL, or host:port of one that knows CONNECT. */
struct socket *socket_new(bool tls, const char *proxy, int64_t ping_ms,
			  const struct socket_hooks *hooks);
void socket_free(struct socket *s);
DEFINE_FREEP(struct socket, socket_free)

/* Connects and returns when the connection has ended. */
void socket_run(struct socket *s, const struct socket_target *t, struct socket_end *ret);
/* From any thread, at any time: ends the connection, this one or the next. */
void socket_stop(struct socket *s);
/* From any thread: the receiver of a paused connection takes messages again. */
void socket_resume(struct socket *s);

#endif
