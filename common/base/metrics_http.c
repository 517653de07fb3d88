/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, a few connections, one answer for each. Whoever connects can take another
 * scraper's place, never time or memory of the program: connections are bounded in number
 * (the oldest one goes), in bytes and in time from their first byte to their last.
 */
#include "common/base/metrics_http.h"

#include "common/base/clock.h"
#include "common/base/metrics_process.h"
#include "common/base/netaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	PEERS_MAX = 16,
	LIFE_MS = 10000,         /* of a connection */
	LOOK_MS = 500,           /* how often for those that are over it, while there are any */
	PAUSE_MS = 10,           /* after the last connection is gone */
	HEAD_BYTES = 8 * 1024,   /* libmicrohttpd's for one connection */
	TEXT_BYTES = 256 * 1024, /* of an answer */
	BACKLOG = 16,
};

struct peer {
	int fd; /* libmicrohttpd's; -1: free */
	int64_t since_ms;
	bool cut;
};

struct metrics_http {
	const struct metric *v;
	size_t n;
	int stop; /* an eventfd */
	pthread_t thread;
	bool running;
	struct MHD_Daemon *mhd;
	struct peer peers[2 * PEERS_MAX]; /* those that were cut go a moment later */
	size_t peers_n;
};

/* ---- answers ---- */

static enum MHD_Result send_answer(struct MHD_Connection *c, unsigned status, const char *allow,
				   struct MHD_Response *response)
{
	enum MHD_Result ok;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Connection", "close");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (allow)
		MHD_add_response_header(response, "Allow", allow);
	ok = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return ok;
}

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status, const char *allow,
				   const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (char *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (response)
		MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	return send_answer(c, status, allow, response);
}

static enum MHD_Result answer_metrics(struct metrics_http *h, struct MHD_Connection *c)
{
	struct buf out = BUF_INIT(TEXT_BYTES);
	struct MHD_Response *response;
	size_t n;

	metrics_write(h->v, h->n, &out);
	metrics_write(metrics_process, METRICS_PROCESS_N, &out);
	n = out.len;
	if (buf_failed(&out)) {
		buf_release(&out);
		return answer_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, "too long\n");
	}
	response = MHD_create_response_from_buffer(n, buf_take(&out), MHD_RESPMEM_MUST_FREE);
	if (response)
		MHD_add_response_header(response, "Content-Type",
					"text/plain; version=0.0.4; charset=utf-8");
	return send_answer(c, MHD_HTTP_OK, NULL, response);
}

/* At the end of the head: a body is not waited for. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *target,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	(void)version;
	(void)data;
	(void)size;
	(void)state;
	if (strcmp(target, "/metrics") != 0)
		return answer_text(c, MHD_HTTP_NOT_FOUND, NULL, "there is only /metrics\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD", "only GET\n");
	return answer_metrics(arg, c);
}

/* ---- connections ---- */

static void cut(struct peer *p)
{
	shutdown(p->fd, SHUT_RDWR);
	p->cut = true;
}

static void cut_oldest(struct metrics_http *h)
{
	struct peer *oldest = NULL;

	for (size_t i = 0; i < ARRAY_LEN(h->peers); i++) {
		struct peer *p = &h->peers[i];

		if (p->fd >= 0 && !p->cut && (!oldest || p->since_ms < oldest->since_ms))
			oldest = p;
	}
	if (oldest)
		cut(oldest);
}

static void cut_late(struct metrics_http *h)
{
	int64_t before = clock_mono_ms() - LIFE_MS;

	for (size_t i = 0; i < ARRAY_LEN(h->peers); i++)
		if (h->peers[i].fd >= 0 && !h->peers[i].cut && h->peers[i].since_ms < before)
			cut(&h->peers[i]);
}

static int fd_of(struct MHD_Connection *c)
{
	return MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* libmicrohttpd has no more of them than there are places. */
static struct peer *enter(struct metrics_http *h, int fd)
{
	struct peer *p = h->peers;

	while (p->fd >= 0)
		p++;
	*p = (struct peer){ .fd = fd, .since_ms = clock_mono_ms() };
	h->peers_n++;
	return p;
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct metrics_http *h = arg;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		((struct peer *)*context)->fd = -1;
		h->peers_n--;
		return;
	}
	if (h->peers_n >= PEERS_MAX)
		cut_oldest(h);
	*context = enter(h, fd_of(c));
}

/* ---- the thread ---- */

/* Until libmicrohttpd wants to run, or somebody's time may be over. */
static int wait_ms(const struct metrics_http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(h->mhd, &ms) == MHD_YES && ms < LOOK_MS)
		return (int)ms;
	return h->peers_n ? LOOK_MS : -1;
}

static void *serve(void *arg)
{
	struct metrics_http *h = arg;
	struct pollfd wait[] = {
		{ .fd = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		  .events = POLLIN },
		{ .fd = h->stop, .events = POLLIN },
	};

	for (;;) {
		poll(wait, ARRAY_LEN(wait), wait_ms(h));
		if (wait[1].revents)
			return NULL;
		MHD_run(h->mhd);
		cut_late(h);
		/* Without a descriptor for a new one, libmicrohttpd would try again at once. */
		if (!h->peers_n)
			poll(&wait[1], 1, PAUSE_MS);
	}
}

/* Signals are for the threads of the program. */
static bool start_thread(struct metrics_http *h)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	h->running = pthread_create(&h->thread, NULL, serve, h) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return h->running;
}

/* ---- the port ---- */

/* Brackets around an address with colons, and the name that everybody uses. */
static enum err parse_host(struct slice host, struct netaddr *ret)
{
	if (slice_ieq(host, S("localhost")))
		host = S("127.0.0.1");
	else if (slice_starts(host, S("[")) && slice_ends(host, S("]")))
		host = slice_sub(host, 1, host.n - 1);
	else if (slice_find(host, ':') >= 0)
		return ERR_INPUT;
	return netaddr_parse(host, ret);
}

static enum err parse(const char *setting, const char *address, struct netaddr *ret_host,
		      uint16_t *ret_port, struct fail *fail)
{
	struct slice text = slice_str(address);
	ptrdiff_t colon = slice_rfind(text, ':');
	uint64_t port;

	if (colon < 0 || parse_host(slice_sub(text, 0, (size_t)colon), ret_host) ||
	    slice_to_u64(slice_sub(text, (size_t)colon + 1, text.n), UINT16_MAX, &port) || !port)
		return fail_set(fail, ERR_CONFIG, "%s %.100s: not address:port", setting, address);
	if (!netaddr_is_loopback(ret_host))
		return fail_set(fail, ERR_CONFIG,
				"%s %.100s: only loopback addresses, there is no authentication",
				setting, address);
	*ret_port = (uint16_t)port;
	return OK;
}

static int bind_to(int fd, const struct netaddr *host, uint16_t port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (host->n == 4) {
		memcpy(&in4.sin_addr, host->b, 4);
		return bind(fd, (const struct sockaddr *)&in4, sizeof(in4));
	}
	memcpy(&in6.sin6_addr, host->b, 16);
	return bind(fd, (const struct sockaddr *)&in6, sizeof(in6));
}

static enum err open_port(const char *setting, const char *address, int *ret_fd, struct fail *fail)
{
	struct netaddr host;
	uint16_t port = 0;
	const int on = 1;
	int fd;
	enum err e = parse(setting, address, &host, &port, fail);

	if (e)
		return e;
	fd = socket(host.n == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind_to(fd, &host, port) == 0 && listen(fd, BACKLOG) == 0) {
		*ret_fd = fd;
		return OK;
	}
	e = fail_set(fail, ERR_CONFIG, "%s %.100s: %s", setting, address, strerror(errno));
	if (fd >= 0)
		close(fd);
	return e;
}

static struct MHD_Daemon *start_mhd(struct metrics_http *h, int fd)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(2 * PEERS_MAX), MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(LIFE_MS / 1000), MHD_OPTION_END);
}

enum err metrics_http_new(const char *setting, const char *address, const struct metric *v,
			  size_t n, struct metrics_http **ret, struct fail *fail)
{
	AUTO(metrics_http_freep) struct metrics_http *h = NULL;
	enum err e;
	int fd = -1;

	*ret = NULL;
	if (!*address)
		return OK;
	e = open_port(setting, address, &fd, fail);
	if (e)
		return e;
	h = mem_zalloc(sizeof(*h));
	h->v = v;
	h->n = n;
	for (size_t i = 0; i < ARRAY_LEN(h->peers); i++)
		h->peers[i].fd = -1;
	h->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->mhd = start_mhd(h, fd);
	if (h->stop < 0 || !h->mhd || !start_thread(h))
		return fail_set(fail, ERR_IO, "%s %.100s: no thread for it", setting, address);
	*ret = TAKE(h);
	return OK;
}

void metrics_http_free(struct metrics_http *h)
{
	const uint64_t one = 1;

	if (!h)
		return;
	if (h->running) {
		if (write(h->stop, &one, sizeof(one)) != sizeof(one))
			abort(); /* an eventfd takes this always */
		pthread_join(h->thread, NULL);
	}
	if (h->mhd)
		MHD_stop_daemon(h->mhd);
	close(h->stop);
	free(h);
}
