/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference of the webhook benchmark: a bare libcurl multi loop that posts one request
 * again and again, and does nothing else. `hookpost PORT SAMPLE HOSTS COUNT CONCURRENCY PATH`:
 * SAMPLE is a file with a request as `hooksink` tells it, of which fields and body are
 * sent; HOSTS names share its address. Prints the seconds that it took.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256, SAMPLE_MAX = 64 * 1024 * 1024 };

struct call {
	CURL *easy;
	struct curl_slist *resolve;
};

static struct {
	uint64_t port, hosts, count, concurrency;
	const char *path;
	struct buf sample;
	struct slice body;
	struct curl_slist *headers;
	CURLM *multi;
	int epoll;
	long timeout_ms;
	uint64_t started, done, failed;
} post;

/* Those that libcurl does not write by itself. */
static void read_sample(const char *path)
{
	static const struct slice own[] = { SLICE_INIT("post "), SLICE_INIT("host:"),
					    SLICE_INIT("user-agent:"), SLICE_INIT("accept:"),
					    SLICE_INIT("content-length:") };
	AUTO(buf_release) struct buf text = BUF_INIT(4096);
	char bytes[4096];
	struct slice head, line;
	ptrdiff_t at;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	buf_init(&post.sample, SAMPLE_MAX);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		buf_add_slice(&post.sample, slice_of(bytes, (size_t)n));
	at = slice_search(buf_slice(&post.sample), S("\r\n\r\n"));
	if (at < 0)
		abort();
	head = slice_sub(buf_slice(&post.sample), 0, (size_t)at);
	post.body = slice_sub(buf_slice(&post.sample), (size_t)at + 4, SIZE_MAX);
	while (slice_cut(&head, '\n', &line)) {
		size_t i = 0;

		while (i < ARRAY_LEN(own) && !slice_istarts(line, own[i]))
			i++;
		if (i < ARRAY_LEN(own))
			continue;
		buf_truncate(&text, 0);
		buf_add_slice(&text, slice_trim(line));
		post.headers = curl_slist_append(post.headers, buf_cstr(&text));
	}
	post.headers = curl_slist_append(post.headers, "Expect:");
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct epoll_event e = { .events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
					   (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
				 .data.fd = fd };

	(void)easy;
	(void)arg;
	if (what == CURL_POLL_REMOVE)
		return epoll_ctl(post.epoll, EPOLL_CTL_DEL, fd, NULL), 0;
	epoll_ctl(post.epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
	return curl_multi_assign(post.multi, fd, &post), 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	(void)multi;
	(void)arg;
	post.timeout_ms = ms;
	return 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

static void begin(struct call *c)
{
	AUTO(buf_release) struct buf b = BUF_INIT(1024);
	unsigned host = (unsigned)(post.started++ % post.hosts);

	curl_slist_free_all(c->resolve);
	buf_addf(&b, "+e%u.hook.example:%u:127.0.0.1", host, (unsigned)post.port);
	c->resolve = curl_slist_append(NULL, buf_cstr(&b));
	curl_easy_setopt(c->easy, CURLOPT_RESOLVE, c->resolve);
	buf_truncate(&b, 0);
	buf_addf(&b, "http://e%u.hook.example:%u%s", host, (unsigned)post.port, post.path);
	curl_easy_setopt(c->easy, CURLOPT_URL, buf_cstr(&b));
	if (curl_multi_add_handle(post.multi, c->easy))
		abort();
}

static void set_up(struct call *c)
{
	c->easy = curl_easy_init();
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, 15000L);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, post.headers);
	curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, post.body.p);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post.body.n);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
	begin(c);
}

static void take_ended(void)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(post.multi, &left))) {
		CURL *easy = m->easy_handle;
		void *call;
		char *private;
		long status = 0;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		call = private;
		post.done++;
		post.failed += m->data.result != CURLE_OK || status != 200;
		curl_multi_remove_handle(post.multi, easy);
		if (post.started < post.count)
			begin(call);
	}
}

static void run(void)
{
	struct epoll_event v[EVENTS];
	int running;

	while (post.done < post.count) {
		int n = epoll_wait(post.epoll, v, EVENTS, (int)post.timeout_ms);

		if (n <= 0)
			curl_multi_socket_action(post.multi, CURL_SOCKET_TIMEOUT, 0, &running);
		for (int i = 0; i < n; i++)
			curl_multi_socket_action(
				post.multi, v[i].data.fd,
				(v[i].events & ~(unsigned)EPOLLOUT ? CURL_CSELECT_IN : 0) |
					(v[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
				&running);
		take_ended();
	}
}

int main(int argc, char **argv)
{
	uint64_t *const numbers[] = { &post.port, NULL, &post.hosts, &post.count,
				      &post.concurrency };
	int64_t start_ms;

	if (argc != 2 + (int)ARRAY_LEN(numbers))
		return 2;
	post.path = argv[argc - 1];
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i] && slice_to_u64(slice_str(argv[1 + i]), 100000000, numbers[i]))
			return 2;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	read_sample(argv[2]);
	post.epoll = epoll_create1(EPOLL_CLOEXEC);
	post.multi = curl_multi_init();
	curl_multi_setopt(post.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(post.multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(post.multi, CURLMOPT_MAXCONNECTS, 2 * (long)post.concurrency);
	start_ms = clock_mono_ms();
	for (uint64_t i = 0; i < post.concurrency && i < post.count; i++)
		set_up(mem_zalloc(sizeof(struct call)));
	run();
	printf("%.3f\n", (double)(clock_mono_ms() - start_ms) / 1000);
	return post.failed ? 1 : 0;
}
