/* SPDX-License-Identifier: Apache-2.0 */
/* The listener of the login: poll(2) over a few connections, each with little time. */
#include "cli/loopback.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 16, CONN_MS = 5000, GOODBYE_MS = 1000 };

struct conn {
	int fd;
	int64_t until_ms;
	bool answered; /* only its end is waited for */
	struct callback callback;
};

struct waiter {
	struct loopback *listener;
	struct slice state;
	struct conn conns[CONNS_MAX];
	size_t n;
	struct arena *arena;
	struct loopback_found *found;
	bool done;
};

enum err loopback_open(struct loopback *ret, struct fail *fail)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, CONNS_MAX) ||
	    getsockname(fd, (struct sockaddr *)&a, &n)) {
		fail_set(fail, ERR_IO, "cannot listen on 127.0.0.1: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	*ret = (struct loopback){ .fd = fd, .port = ntohs(a.sin_port) };
	return OK;
}

void loopback_close(struct loopback *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* ---- connections ---- */

static void drop(struct waiter *w, size_t i)
{
	close(w->conns[i].fd);
	callback_release(&w->conns[i].callback);
	w->n--;
	memmove(&w->conns[i], &w->conns[i + 1], (w->n - i) * sizeof(w->conns[0]));
}

/* The oldest makes room: who holds connections open keeps nobody out. */
static void take(struct waiter *w)
{
	struct conn *c;
	int fd = accept4(w->listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (w->n == CONNS_MAX)
		drop(w, 0);
	c = &w->conns[w->n++];
	*c = (struct conn){ .fd = fd, .until_ms = clock_mono_ms() + CONN_MS };
	callback_init(&c->callback, w->state);
}

static struct slice keep(struct waiter *w, struct slice s)
{
	return arena_slice(w->arena, s);
}

static void answer(struct waiter *w, struct conn *c, enum callback_result result)
{
	const char *text = callback_answer(&c->callback, result);

	if (send(c->fd, text, strlen(text), MSG_NOSIGNAL) < 0) { /* then it went away */
	}
	shutdown(c->fd, SHUT_WR);
	c->answered = true;
	c->until_ms = clock_mono_ms() + GOODBYE_MS;
	if (result == CALLBACK_OTHER || w->done)
		return;
	w->done = true;
	*w->found = (struct loopback_found){
		.result = result,
		.api_key = keep(w, c->callback.api_key),
		.agent_email = keep(w, c->callback.agent_email),
		.error = keep(w, c->callback.error),
	};
}

/* Reads what is there; false at the end of the connection. */
static bool serve(struct waiter *w, struct conn *c)
{
	char chunk[8192];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);
	enum callback_result result;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	if (c->answered) /* until it has read the answer: a reset would take it away */
		return true;
	result = callback_feed(&c->callback, slice_of(chunk, (size_t)n));
	if (result != CALLBACK_MORE)
		answer(w, c, result);
	return true;
}

/* ---- waiting ---- */

static int64_t earliest(const struct waiter *w, int64_t until_ms)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->conns[i].until_ms < until_ms)
			until_ms = w->conns[i].until_ms;
	return until_ms;
}

static void poll_once(struct waiter *w, int64_t until_ms)
{
	struct pollfd fds[CONNS_MAX + 1] = { { .fd = w->listener->fd, .events = POLLIN } };
	int64_t now_ms = clock_mono_ms(), wait_ms = earliest(w, until_ms) - now_ms;
	size_t n = w->n;

	for (size_t i = 0; i < n; i++)
		fds[i + 1] = (struct pollfd){ .fd = w->conns[i].fd, .events = POLLIN };
	if (poll(fds, n + 1, wait_ms > 0 ? (int)wait_ms : 0) < 0)
		return;
	now_ms = clock_mono_ms();
	for (size_t i = n; i-- > 0;)
		if ((fds[i + 1].revents && !serve(w, &w->conns[i])) ||
		    w->conns[i].until_ms <= now_ms)
			drop(w, i);
	if (fds[0].revents)
		take(w);
}

/* Answers that are under way still arrive. */
static void say_goodbye(struct waiter *w)
{
	int64_t until_ms = clock_mono_ms() + GOODBYE_MS;

	loopback_close(w->listener);
	for (size_t i = w->n; i-- > 0;)
		if (!w->conns[i].answered)
			drop(w, i);
	while (w->n && clock_mono_ms() < until_ms)
		poll_once(w, until_ms);
	while (w->n)
		drop(w, 0);
}

enum err loopback_wait(struct loopback *l, struct slice state, int64_t timeout_ms, struct arena *a,
		       struct loopback_found *ret, struct fail *fail)
{
	struct waiter w = { .listener = l, .state = state, .arena = a, .found = ret };
	int64_t until_ms = clock_mono_ms() + timeout_ms;

	while (!w.done && clock_mono_ms() < until_ms)
		poll_once(&w, until_ms);
	say_goodbye(&w);
	return w.done ? OK
		      : fail_set(fail, ERR_TIMEOUT, "nobody signed in within %lld s",
				 (long long)timeout_ms / 1000);
}
