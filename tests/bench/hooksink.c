/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of the webhook benchmark: takes any POST, answers it with 200 at once, and
 * notes when it came. One to /far is answered after FAR_MS, as if it had gone far; one to /hang
 * never. `hooksink PORT`; it ends with its standard input. GET /count tells how many were answered,
 * GET /arrivals when (microseconds of CLOCK_MONOTONIC, webhook-id) and forgets them, GET /sample
 * the last one as it came.
 */
#include "common/base/buf.h"
#include "common/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ = 64 * 1024, REQUEST_MAX = 64 * 1024 * 1024, EVENTS = 256, ID_SHOWN = 64, FAR_MS = 50 };

struct conn {
	int fd;
	struct buf in;
	int64_t due_us; /* of an answer, or 0 */
	struct conn *next;
	bool ended;
};

struct arrival {
	int64_t at_us;
	char id[ID_SHOWN];
};

static struct {
	int epoll;
	size_t count;
	struct arrival *v;
	size_t n, cap;
	struct buf sample;
	struct conn *far, **far_end; /* those that wait for an answer, oldest first */
} sink;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The value of a field, whose name is in small letters with a colon behind it. */
static struct slice field(struct slice head, struct slice name)
{
	struct slice line;

	while (slice_cut(&head, '\n', &line))
		if (slice_istarts(line, name))
			return slice_trim(slice_sub(line, name.n, line.n));
	return S("");
}

static void note(struct slice head, struct slice request)
{
	struct slice id = slice_sub(field(head, S("webhook-id:")), 0, ID_SHOWN - 1);
	struct arrival *a;

	if (sink.n == sink.cap) {
		sink.cap = sink.cap ? 2 * sink.cap : 1024;
		sink.v = mem_realloc(sink.v, sink.cap * sizeof(*sink.v));
	}
	a = &sink.v[sink.n++];
	a->at_us = now_us();
	memcpy(a->id, id.p, id.n);
	a->id[id.n] = 0;
	if (sink.count++ % 1000 == 0) {
		buf_truncate(&sink.sample, 0);
		buf_add_slice(&sink.sample, request);
	}
}

static void say(struct conn *c, struct slice s)
{
	while (s.n) {
		ssize_t n = send(c->fd, s.p, s.n, MSG_NOSIGNAL);
		struct timespec moment = { .tv_nsec = 1000000 };

		if (n < 0 && errno != EAGAIN)
			return;
		if (n < 0)
			nanosleep(&moment, NULL);
		else
			s = slice_sub(s, (size_t)n, s.n);
	}
}

static void accept_post(struct conn *c)
{
	say(c, S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

static void accept_later(struct conn *c)
{
	c->due_us = now_us() + FAR_MS * 1000;
	c->next = NULL;
	*sink.far_end = c;
	sink.far_end = &c->next;
}

static void forget(struct conn *c)
{
	close(c->fd);
	buf_release(&c->in);
	free(c);
}

/* Answers what is due; milliseconds until the next one is, or -1. */
static int accept_due(void)
{
	struct conn *c;

	while ((c = sink.far) && c->due_us <= now_us()) {
		sink.far = c->next;
		if (!sink.far)
			sink.far_end = &sink.far;
		c->due_us = 0;
		if (c->ended)
			forget(c);
		else
			accept_post(c);
	}
	return c ? (int)((c->due_us - now_us()) / 1000) + 1 : -1;
}

static void tell(struct conn *c, struct slice body)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1024);

	buf_addf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.n);
	say(c, buf_slice(&b));
	say(c, body);
}

static void tell_count(struct conn *c)
{
	AUTO(buf_release) struct buf b = BUF_INIT(64);

	buf_addf(&b, "%zu\n", sink.count);
	tell(c, buf_slice(&b));
}

static void tell_arrivals(struct conn *c)
{
	AUTO(buf_release) struct buf b = BUF_INIT(REQUEST_MAX);

	for (size_t i = 0; i < sink.n; i++)
		buf_addf(&b, "%lld %s\n", (long long)sink.v[i].at_us, sink.v[i].id);
	sink.n = 0;
	tell(c, buf_slice(&b));
}

static void answer(struct conn *c, struct slice head, struct slice request)
{
	if (slice_starts(head, S("POST /hang")))
		return;
	if (slice_starts(head, S("POST "))) {
		note(head, request);
		if (slice_starts(head, S("POST /far")))
			accept_later(c);
		else
			accept_post(c);
	} else if (slice_starts(head, S("GET /count "))) {
		tell_count(c);
	} else if (slice_starts(head, S("GET /arrivals "))) {
		tell_arrivals(c);
	} else {
		tell(c, buf_slice(&sink.sample));
	}
}

/* Answers the requests that are complete. */
static void take(struct conn *c)
{
	struct slice all = buf_slice(&c->in);
	ptrdiff_t head_n;

	while ((head_n = slice_search(all, S("\r\n\r\n"))) >= 0) {
		struct slice head = slice_sub(all, 0, (size_t)head_n);
		uint64_t body_n = 0;
		size_t n;

		if (slice_to_u64(field(head, S("content-length:")), REQUEST_MAX, &body_n))
			body_n = 0;
		n = head.n + 4 + (size_t)body_n;
		if (all.n < n)
			break;
		answer(c, head, slice_sub(all, 0, n));
		all = slice_sub(all, n, all.n);
	}
	if (all.n && all.p != c->in.p)
		memmove(c->in.p, all.p, all.n);
	c->in.len = all.n;
}

static void end(struct conn *c)
{
	epoll_ctl(sink.epoll, EPOLL_CTL_DEL, c->fd, NULL);
	c->ended = true;
	if (!c->due_us)
		forget(c);
}

static void receive(struct conn *c)
{
	static char bytes[READ];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(c);
		return;
	}
	buf_add_slice(&c->in, slice_of(bytes, (size_t)n));
	take(c);
}

static void watch(int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(sink.epoll, EPOLL_CTL_ADD, fd, &e))
		abort();
}

static void welcome(int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = mem_zalloc(sizeof(*c));

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->fd = fd;
		buf_init(&c->in, REQUEST_MAX);
		watch(fd, c);
	}
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, SOMAXCONN))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event v[EVENTS];
	static char listener_tag, end_tag;
	uint64_t port;
	int listener, n;

	if (argc != 2 || slice_to_u64(slice_str(argv[1]), UINT16_MAX, &port))
		return 2;
	listener = listen_at((uint16_t)port);
	if (listener < 0)
		return 1;
	sink.epoll = epoll_create1(EPOLL_CLOEXEC);
	buf_init(&sink.sample, REQUEST_MAX);
	sink.far_end = &sink.far;
	watch(listener, &listener_tag);
	watch(STDIN_FILENO, &end_tag);
	while ((n = epoll_wait(sink.epoll, v, EVENTS, accept_due())) >= 0 || errno == EINTR)
		for (int i = 0; i < n; i++) {
			if (v[i].data.ptr == &end_tag)
				return 0;
			if (v[i].data.ptr == &listener_tag)
				welcome(listener);
			else
				receive(v[i].data.ptr);
		}
	return 1;
}
