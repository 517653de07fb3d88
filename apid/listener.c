/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener thread. It peeks: nothing that a client sent is consumed here,
 * so whoever gets the socket sees the request from its first byte. It must
 * never wait for anything but epoll.
 */
#include "apid/head.h"
#include "apid/listen.h"
#include "apid/peers.h"
#include "apid/server.h"
#include "apid/ws_admit.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, TICK_MS = 1000, ACCEPTS_PER_EVENT = 64 };

/* A socket whose request head is not complete; the list is in order of arrival. */
struct waiting {
	struct waiting *prev, *next;
	int fd;
	int64_t deadline_ms;
	struct client_peer peer;
};

struct listener {
	const struct app *app;
	pthread_t thread;
	int fd, epoll, stop;
	struct waiting ring; /* head of the list */
	size_t waiting_n;
	bool paused; /* out of descriptors: not accepting until the next tick */
	char *peek;
};

static void add_waiting(struct listener *l, struct waiting *w)
{
	w->next = &l->ring;
	w->prev = l->ring.prev;
	w->prev->next = w->next->prev = w;
	l->waiting_n++;
}

/* Takes the socket out of the list and frees the entry; the socket stays open. */
static void forget(struct listener *l, struct waiting *w)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->prev->next = w->next;
	w->next->prev = w->prev;
	l->waiting_n--;
	free(w);
}

static void drop(struct listener *l, struct waiting *w)
{
	int fd = w->fd;

	peers_leave(l->app->peers, &w->peer);
	forget(l, w);
	close(fd);
}

static void hand_over(struct listener *l, struct waiting *w, const struct head *upgrade)
{
	struct client_peer peer = w->peer;
	int fd = w->fd;

	forget(l, w);
	if (!upgrade || !ws_admit_socket(l->app, fd, upgrade, &peer))
		server_add(l->app->server, fd, &peer);
}

/* What has come on a socket, decided as soon as its head is complete or as long as it may be. */
static void look(struct listener *l, struct waiting *w, bool ended)
{
	size_t max = (size_t)l->app->settings->http_header_limit;
	ssize_t n = recv(w->fd, l->peek, max, MSG_PEEK);
	struct arena arena = ARENA_INIT;
	struct head head;
	enum head_kind kind;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			drop(l, w);
		return;
	}
	kind = head_look(slice_of(l->peek, (size_t)n), &arena, &head);
	if (kind == HEAD_MORE && (size_t)n == max)
		kind = HEAD_HTTP; /* whose answer is that it is too long */
	if (kind != HEAD_MORE)
		hand_over(l, w, kind == HEAD_UPGRADE ? &head : NULL);
	else if (ended)
		drop(l, w);
	arena_release(&arena);
}

static void watch(struct listener *l, int fd, void *what, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = what };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event))
		abort(); /* no memory in the kernel */
}

static void pause_accepting(struct listener *l)
{
	log_warn("accept_failed", LF_STR("detail", strerror(errno)));
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->fd, NULL);
	l->paused = true;
}

static void take_socket(struct listener *l, int fd, const struct client_peer *peer)
{
	struct waiting *w;

	if (!peers_enter(l->app->peers, peer)) {
		peers_refused(l->app->peers, peer, PEERS_PER_CLIENT);
		close(fd);
		return;
	}
	w = mem_zalloc(sizeof(*w));
	w->fd = fd;
	w->peer = *peer;
	w->deadline_ms = clock_mono_ms() + l->app->settings->http_header_timeout_ms;
	add_waiting(l, w);
	watch(l, w->fd, w, EPOLLIN | EPOLLRDHUP | EPOLLET);
	if (l->waiting_n > (size_t)l->app->settings->http_max_waiting)
		drop(l, l->ring.next);
}

static int accept_one(struct listener *l, struct client_peer *ret)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	int fd = accept4(l->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		client_peer_init(&addr, len, &l->app->trusted_proxies, ret);
	return fd;
}

static void accept_some(struct listener *l)
{
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		struct client_peer peer;
		int fd = accept_one(l, &peer);

		if (fd >= 0) {
			take_socket(l, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(l);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void tick(struct listener *l)
{
	int64_t now = clock_mono_ms();

	while (l->waiting_n && l->ring.next->deadline_ms <= now)
		drop(l, l->ring.next);
	if (l->paused) {
		l->paused = false;
		watch(l, l->fd, &l->fd, EPOLLIN);
	}
	server_tick(l->app->server);
}

/* An entry of the list may be dropped while others of the same batch are served, hence one by one.
 */
static bool serve_one(struct listener *l)
{
	struct epoll_event event;
	int n = epoll_wait(l->epoll, &event, 1, TICK_MS);

	if (n <= 0)
		return true;
	if (event.data.ptr == &l->stop)
		return false;
	if (event.data.ptr == &l->fd)
		accept_some(l);
	else
		look(l, event.data.ptr, event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	return true;
}

static void *run(void *arg)
{
	struct listener *l = arg;
	int64_t next_tick = clock_mono_ms() + TICK_MS;

	while (serve_one(l)) {
		if (clock_mono_ms() < next_tick)
			continue;
		tick(l);
		next_tick = clock_mono_ms() + TICK_MS;
	}
	return NULL;
}

enum err listener_new(const struct app *app, int fd, struct listener **ret, struct fail *fail)
{
	struct listener *l = mem_zalloc(sizeof(*l));

	l->app = app;
	l->fd = fd;
	l->ring.prev = l->ring.next = &l->ring;
	l->peek = mem_alloc((size_t)app->settings->http_header_limit);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->stop = eventfd(0, EFD_CLOEXEC);
	if (l->epoll < 0 || l->stop < 0)
		abort(); /* out of descriptors before anything was served */
	watch(l, l->stop, &l->stop, EPOLLIN);
	watch(l, l->fd, &l->fd, EPOLLIN);
	if (pthread_create(&l->thread, NULL, run, l))
		return fail_set(fail, ERR_IO, "no thread for the listener");
	*ret = l;
	return OK;
}

void listener_free(struct listener *l)
{
	const uint64_t one = 1;

	if (!l)
		return;
	if (write(l->stop, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes this always */
	pthread_join(l->thread, NULL);
	while (l->waiting_n)
		drop(l, l->ring.next);
	close(l->fd);
	close(l->stop);
	close(l->epoll);
	free(l->peek);
	free(l);
}
