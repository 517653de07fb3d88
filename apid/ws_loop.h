/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of the WebSocket thread. Libwebsockets' own asks the kernel about every socket
 * each time something happens on one; libev's (by epoll) does not.
 */
#ifndef E2A_APID_WS_LOOP_H
#define E2A_APID_WS_LOOP_H

struct ws_loop;

/* NULL where libev is not installed: then libwebsockets' own has to do. */
struct ws_loop *ws_loop_new(void);
/* What libwebsockets calls a foreign loop. */
void *ws_loop_foreign(struct ws_loop *loop);
/* Waits for something to happen and lets it be served. */
void ws_loop_turn(struct ws_loop *loop);
void ws_loop_free(struct ws_loop *loop);

#endif
