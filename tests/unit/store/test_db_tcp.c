/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection over TCP: the cluster of tests/with-postgres listens on a unix
 * socket only, so a thread passes bytes on to it.
 */
#include "common/base/buf.h"
#include "common/store/db.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct relay {
	pthread_t thread;
	int listener;
	struct sockaddr_un server;
};

static bool pass(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));

	return n > 0 && write(to, bytes, (size_t)n) == n;
}

static void *run(void *arg)
{
	struct relay *r = arg;
	int a = accept(r->listener, NULL, NULL), b = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pollfd fds[] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	bool open = !connect(b, (struct sockaddr *)&r->server, sizeof(r->server));

	while (open && poll(fds, 2, -1) > 0)
		open = fds[0].revents ? pass(a, b) : pass(b, a);
	close(a);
	close(b);
	return NULL;
}

/* Starts the thread and returns its port. */
static int relay_start(struct relay *r, struct slice socket_dir)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	r->server.sun_family = AF_UNIX;
	snprintf(r->server.sun_path, sizeof(r->server.sun_path), "%.*s/.s.PGSQL.5432",
		 SLICE_ARGS(socket_dir));
	r->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r->listener, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(r->listener, 1), 0);
	assert_int_equal(getsockname(r->listener, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
	return ntohs(in.sin_port);
}

static int option(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, name, &value, &len), 0);
	return value;
}

/* The host of the database may vanish while it owes an answer. */
static void a_server_that_vanished_is_noticed_within_a_minute(void **state)
{
	struct slice rest = slice_str(getenv("E2A_TEST_DATABASE_URL")), dir;
	AUTO(buf_release) struct buf url = BUF_INIT(1024);
	struct relay r = { 0 };
	struct fail fail = { 0 };
	struct db *db;

	(void)state;
	rest = slice_sub(rest, (size_t)slice_search(rest, S("host=")) + 5, rest.n);
	slice_cut(&rest, '&', &dir);
	buf_addf(&url, "host=127.0.0.1 port=%d user=postgres dbname=postgres",
		 relay_start(&r, dir));
	if (db_open(buf_cstr(&url), NULL, "tests", &db, &fail))
		fail_msg("%s", fail.what);
	assert_in_range(option(db_socket(db), TCP_KEEPIDLE) +
				option(db_socket(db), TCP_KEEPINTVL) *
					option(db_socket(db), TCP_KEEPCNT),
			1, 60);
	db_close(db);
	pthread_join(r.thread, NULL);
	close(r.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_vanished_is_noticed_within_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
