/* SPDX-License-Identifier: Apache-2.0 */
/* Where metrics may be served: nowhere that another computer can reach. */
#include "common/base/metrics_http.h"
#include "tests/unit/test.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct metric sample[] = { { .name = "x", .help = "Some." } };

static enum err open_at(const char *address, struct metrics_http **ret, struct fail *fail)
{
	return metrics_http_new("some_metrics", address, sample, 1, ret, fail);
}

static void only_loopback_addresses_are_served(void **state)
{
	static const char *const rows[] = {
		"0.0.0.0:9100",
		"192.0.2.1:9100",
		"[::]:9100",
		"[2001:db8::1]:9100",
		"10.0.0.1:9100",
		"*:9100",
		"example.com:91",
		"::1:9100",
		"127.0.0.1",
		"127.0.0.1:",
		":9100",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:http",
		"127.0.0.1:-1",
		"127.1:9100",
		"9100",
		"unix:/tmp/x",
		"[127.0.0.1:91",
		"[::ffff:192.0.2.1]:9100",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct metrics_http *h = NULL;
		struct fail fail = { 0 };

		assert_row(i, open_at(rows[i], &h, &fail) == ERR_CONFIG);
		assert_row(i, h == NULL);
		assert_row(i, slice_search(slice_str(fail.what), S("some_metrics")) == 0);
		assert_row(i, slice_search(slice_str(fail.what), slice_str(rows[i])) > 0);
	}
}

static void without_an_address_nothing_is_served(void **state)
{
	struct metrics_http *h = NULL;
	struct fail fail = { 0 };

	(void)state;
	assert_int_equal(open_at("", &h, &fail), OK);
	assert_null(h);
	metrics_http_free(h);
}

/* A port of the kernel's choice, held. */
static int hold_port(char ret_address[32])
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	snprintf(ret_address, 32, "localhost:%d", ntohs(in.sin_port));
	return fd;
}

static void an_address_in_use_is_reported(void **state)
{
	struct metrics_http *h = NULL;
	struct fail fail = { 0 };
	char address[32];
	int fd = hold_port(address);

	(void)state;
	assert_int_equal(open_at(address, &h, &fail), ERR_CONFIG);
	assert_true(slice_search(slice_str(fail.what), S("in use")) > 0);
	close(fd);
	assert_int_equal(open_at(address, &h, &fail), OK);
	assert_non_null(h);
	metrics_http_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_loopback_addresses_are_served),
		cmocka_unit_test(without_an_address_nothing_is_served),
		cmocka_unit_test(an_address_in_use_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
