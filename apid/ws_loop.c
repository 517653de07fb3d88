/* SPDX-License-Identifier: Apache-2.0 */
/* Libev, which libwebsockets fills with its sockets and timers. */
#include "apid/ws_loop.h"

#include <ev.h>

struct ev_loop *ws_loop_new(void)
{
	return ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
}

void ws_loop_turn(struct ev_loop *loop)
{
	ev_run(loop, EVRUN_ONCE);
}

void ws_loop_free(struct ev_loop *loop)
{
	if (loop)
		ev_loop_destroy(loop);
}
