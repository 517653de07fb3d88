/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libev, which libwebsockets fills with its sockets and timers. It must never be linked:
 * it brings functions with the names of libevent's, which libunbound would get instead of
 * those. Loaded like this, its names are its own.
 */
#include "apid/ws_loop.h"

#include "common/base/mem.h"

#include <dlfcn.h>
#include <ev.h>
#include <stdbool.h>

#define LIBRARY "libev.so.4"

struct ws_loop {
	void *library;
	struct ev_loop *ev;
	struct ev_loop *(*new)(unsigned int flags);
	int (*run)(struct ev_loop *ev, int flags);
	void (*destroy)(struct ev_loop *ev);
};

/* ISO C has no pointer that may be both; POSIX says that dlsym's may. */
static bool find(const struct ws_loop *loop, const char *name, void *ret)
{
	void *symbol = loop->library ? dlsym(loop->library, name) : NULL;

	memcpy(ret, &symbol, sizeof(symbol));
	return symbol;
}

struct ws_loop *ws_loop_new(void)
{
	struct ws_loop *loop = mem_zalloc(sizeof(*loop));

	loop->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (find(loop, "ev_loop_new", &loop->new) && find(loop, "ev_run", &loop->run) &&
	    find(loop, "ev_loop_destroy", &loop->destroy))
		loop->ev = loop->new (EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (loop->ev)
		return loop;
	ws_loop_free(loop);
	return NULL;
}

void *ws_loop_foreign(struct ws_loop *loop)
{
	return loop->ev;
}

void ws_loop_turn(struct ws_loop *loop)
{
	loop->run(loop->ev, EVRUN_ONCE);
}

void ws_loop_free(struct ws_loop *loop)
{
	if (!loop)
		return;
	if (loop->ev)
		loop->destroy(loop->ev);
	if (loop->library)
		dlclose(loop->library);
	free(loop);
}
