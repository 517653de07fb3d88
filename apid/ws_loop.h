/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of the WebSocket thread. Libwebsockets' own asks the kernel about every socket
 * each time something happens on one; libev's (by epoll) does not.
 */
#ifndef E2A_APID_WS_LOOP_H
#define E2A_APID_WS_LOOP_H

struct ev_loop;

/* NULL when there is none to be had. */
struct ev_loop *ws_loop_new(void);
/* Waits for something to happen and lets it be served. */
void ws_loop_turn(struct ev_loop *loop);
void ws_loop_free(struct ev_loop *loop);

#endif
