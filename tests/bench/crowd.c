/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load of the benchmark: many WebSockets that answer pings and say when what
 * came. `crowd PORT FILE` opens one for each line of FILE (the target of a
 * request), a few at a time, a thousand from each loopback address. It prints "open N", then
 * "MESSAGE-ID MICROSECONDS" per text frame (time of the day), and "gone N" when any has ended. It
 * ends with its standard input.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fdlimit.h"
#include "common/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	OPENING_MAX = 64, /* at a time */
	PER_ADDRESS = 1000,
	INPUT_MAX = 1024 * 1024,
	SPARE_FILES = 50,
	EVENTS = 256,
};

enum { TEXT = 1, CLOSE = 8, PING = 9 };

struct client {
	int fd;
	bool open;
	struct buf in;
};

struct crowd {
	uint16_t port;
	int epoll;
	struct buf targets;
	struct slice rest; /* of the targets */
	struct client *clients;
	size_t n, started, open, gone;
};

/* 127.0.0.2, 127.0.0.3 ... to 127.0.0.1 */
static int connect_from(const struct crowd *c, size_t number)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(number / PER_ADDRESS));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(c->port);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)))
		return -1;
	return fd;
}

static void ask(const struct client *client, struct slice target)
{
	AUTO(buf_release) struct buf head = BUF_INIT(4096);

	buf_addf(&head,
		 "GET %.*s HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n"
		 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		 SLICE_ARGS(target));
	if (send(client->fd, head.p, head.len, MSG_NOSIGNAL) != (ssize_t)head.len)
		perror("crowd: send");
}

static void lose(struct crowd *c, struct client *client, const char *why)
{
	fprintf(stderr, "crowd: %s\n", why);
	close(client->fd);
	client->fd = -1;
	buf_release(&client->in);
	printf("gone %zu\n", ++c->gone);
}

static void start_some(struct crowd *c)
{
	struct slice target;

	while (c->started < c->open + c->gone + OPENING_MAX && slice_cut(&c->rest, '\n', &target) &&
	       target.n) {
		struct client *client = &c->clients[c->started];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };

		buf_init(&client->in, INPUT_MAX);
		client->fd = connect_from(c, c->started++);
		if (client->fd < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, client->fd, &event)) {
			lose(c, client, strerror(errno));
			continue;
		}
		ask(client, target);
	}
}

/* Of one frame; 0 while it is not complete. */
static size_t frame_size(struct slice in, size_t *ret_head)
{
	const unsigned char *b = (const unsigned char *)in.p;

	if (in.n < 2 || (b[1] == 126 && in.n < 4))
		return 0;
	*ret_head = b[1] == 126 ? 4 : 2;
	if (b[1] > 126)
		return 0; /* none of the benchmark's is so long */
	return *ret_head + (b[1] == 126 ? (size_t)(b[2] << 8 | b[3]) : b[1]);
}

/* Masked with zeros. */
static void pong(const struct client *client, struct slice payload)
{
	AUTO(buf_release) struct buf frame = BUF_INIT(256);

	buf_add_char(&frame, (char)0x8a);
	buf_add_char(&frame, (char)(0x80 | payload.n));
	buf_add(&frame, "\0\0\0\0", 4);
	buf_add_slice(&frame, payload);
	if (send(client->fd, frame.p, frame.len, MSG_NOSIGNAL) != (ssize_t)frame.len)
		perror("crowd: pong");
}

/* A frame without an id, of the reference, has "-". */
static void told(struct slice text)
{
	const struct slice name = S("\"message_id\":\"");
	ptrdiff_t at = slice_search(text, name);
	struct slice id = S("-");

	if (at >= 0) {
		text = slice_sub(text, (size_t)at + name.n, text.n);
		slice_cut(&text, '"', &id);
	}
	printf("%.*s %lld\n", SLICE_ARGS(id), (long long)clock_now_us());
}

static bool take_frame(const struct client *client, struct slice *in)
{
	size_t head, n = frame_size(*in, &head);
	struct slice payload;

	if (n == 0 || n > in->n)
		return false;
	payload = slice_sub(*in, head, n);
	if ((in->p[0] & 15) == PING)
		pong(client, payload);
	if ((in->p[0] & 15) == TEXT)
		told(payload);
	*in = slice_sub(*in, n, in->n);
	return true;
}

/* Takes the answer to the upgrade away; false when it is a refusal. */
static bool take_answer(struct crowd *c, struct client *client, struct slice *in)
{
	ptrdiff_t end = slice_search(*in, S("\r\n\r\n"));

	if (end < 0)
		return true;
	if (!slice_starts(*in, S("HTTP/1.1 101 ")))
		return false;
	*in = slice_sub(*in, (size_t)end + 4, in->n);
	client->open = true;
	if (++c->open == c->n)
		printf("open %zu\n", c->open);
	return true;
}

static void take_input(struct crowd *c, struct client *client)
{
	struct slice in = buf_slice(&client->in);

	if (!client->open && !take_answer(c, client, &in)) {
		lose(c, client, "refused");
		return;
	}
	while (client->open && take_frame(client, &in))
		;
	if (in.n)
		buf_consume(&client->in, client->in.len - in.n);
	else
		buf_release(&client->in); /* it may be idle for long */
	start_some(c);
}

static void receive(struct crowd *c, struct client *client)
{
	char bytes[65536];
	ssize_t n = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		lose(c, client, n ? strerror(errno) : "closed by the server");
		return;
	}
	if (client->in.cap == 0)
		buf_init(&client->in, INPUT_MAX);
	buf_add(&client->in, bytes, (size_t)n);
	take_input(c, client);
}

static void serve(struct crowd *c)
{
	struct epoll_event events[EVENTS], end = { .events = EPOLLIN };

	epoll_ctl(c->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &end);
	start_some(c);
	for (;;) {
		int n = epoll_wait(c->epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				return;
			receive(c, events[i].data.ptr);
		}
		fflush(stdout);
	}
}

static bool read_targets(struct crowd *c, const char *path)
{
	FILE *f = fopen(path, "r");
	char bytes[65536];
	size_t n;

	buf_init(&c->targets, SIZE_MAX / 2);
	while (f && (n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		buf_add(&c->targets, bytes, n);
	if (f)
		fclose(f);
	c->rest = buf_slice(&c->targets);
	for (size_t i = 0; i < c->rest.n; i++)
		c->n += c->rest.p[i] == '\n';
	return c->n > 0;
}

int main(int argc, char **argv)
{
	struct crowd c = { .epoll = epoll_create1(EPOLL_CLOEXEC) };
	uint64_t port, have;

	if (argc != 3 || slice_to_u64(slice_str(argv[1]), UINT16_MAX, &port) ||
	    !read_targets(&c, argv[2]))
		return 2;
	if (!fdlimit_set(c.n + SPARE_FILES, &have)) {
		fprintf(stderr, "crowd: %zu sockets, but %llu descriptors\n", c.n,
			(unsigned long long)have);
		return 1;
	}
	c.port = (uint16_t)port;
	c.clients = mem_calloc(c.n, sizeof(*c.clients));
	serve(&c);
	return 0;
}
