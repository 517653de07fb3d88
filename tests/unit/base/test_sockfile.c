/* SPDX-License-Identifier: Apache-2.0 */
/* Stale sockets, served sockets, and files that only look like one to connect(2). */
#include "common/base/sockfile.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un un = { .sun_family = AF_UNIX };

static int fresh_path(void **state)
{
	(void)state;
	snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/e2a-test-sockfile.%d", (int)getpid());
	return 0;
}

static int bound(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void a_socket_that_nobody_serves_is_removed(void **state)
{
	(void)state;
	close(bound());
	sockfile_remove_stale(un.sun_path);
	assert_int_equal(access(un.sun_path, F_OK), -1);
}

static void a_socket_that_is_served_stays(void **state)
{
	int fd = bound();

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	sockfile_remove_stale(un.sun_path);
	assert_int_equal(access(un.sun_path, F_OK), 0);
	close(fd);
	unlink(un.sun_path);
}

static void a_file_that_is_no_socket_stays(void **state)
{
	int fd = open(un.sun_path, O_CREAT | O_EXCL | O_WRONLY, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	sockfile_remove_stale(un.sun_path);
	assert_int_equal(access(un.sun_path, F_OK), 0);
	unlink(un.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_that_nobody_serves_is_removed),
		cmocka_unit_test(a_socket_that_is_served_stays),
		cmocka_unit_test(a_file_that_is_no_socket_stays),
	};

	return cmocka_run_group_tests(tests, fresh_path, NULL);
}
