/* SPDX-License-Identifier: Apache-2.0 */
/* The last word about an address is spoken when its socket is opened, whatever was resolved. */
#include "deliverd/webhook_http.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 300 };

/* Listens at that address; its port. */
static uint16_t listen_at(const char *address, int *ret_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
	assert_int_equal(bind(*ret_fd, (const struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(*ret_fd, 8), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

static bool was_connected_to(int fd)
{
	int peer = accept(fd, NULL, NULL);

	if (peer < 0)
		return false;
	close(peer);
	return true;
}

struct outcome {
	struct loop *loop;
	enum event_reason reason;
};

static void done(const struct http_answer *answer, void *arg)
{
	struct outcome *o = arg;

	o->reason = answer->reason;
	loop_stop(o->loop);
}

/* A call for which name service is said to have answered `address`. */
static enum event_reason call(const struct webhook_policy *p, const char *scheme, uint16_t port,
			      const char *address)
{
	static const size_t width[LANE_COUNT] = { 1, 1, 1, 1, 1, 1 };
	struct outcome o = { .loop = loop_new(width) };
	struct settings s = { .webhook_concurrency = 1 };
	struct webhook_target target = { .n = 1 };
	struct webhook_http *h;
	char url[100], ca_file[] = "";

	s.webhook_ca_file = ca_file;
	snprintf(url, sizeof(url), "%s://hook.example:%u/x", scheme, port);
	assert_int_equal(weburl_parse(slice_str(url), &target.url, NULL), OK);
	assert_int_equal(netaddr_parse(slice_str(address), &target.v[0]), OK);
	assert_int_equal(webhook_http_new(o.loop, &s, p, &h, NULL), OK);
	webhook_http_post(h, &(struct http_call){ .url = url,
						  .target = &target,
						  .body = S("{}"),
						  .deadline_ms = clock_mono_ms() + TIMEOUT_MS,
						  .done = done,
						  .arg = &o });
	loop_run(o.loop);
	webhook_http_free(h);
	loop_free(o.loop);
	return o.reason;
}

static void a_socket_is_opened_for_an_admitted_address_only(void **state)
{
	static const struct {
		const char *scheme, *address;
		enum event_reason want;
	} rows[] = {
		{ "http", "127.0.0.1", EVENT_TIMEOUT }, /* connected; nobody answers */
		{ "https", "127.0.0.1", EVENT_TIMEOUT },
		{ "http", "127.0.0.2", EVENT_ADDRESS_REFUSED },
		{ "https", "127.0.0.2", EVENT_ADDRESS_REFUSED },
		{ "https", "::1", EVENT_ADDRESS_REFUSED },
		{ "https", "10.0.0.1", EVENT_ADDRESS_REFUSED },
		{ "https", "169.254.169.254", EVENT_ADDRESS_REFUSED },
	};
	struct webhook_policy p = { .allow = { .n = 1 } };

	(void)state;
	assert_int_equal(netcidr_parse(S("127.0.0.1/32"), &p.allow.v[0]), OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool here = strcmp(rows[i].address, "127.0.0.2") == 0;
		int fd;
		uint16_t port = listen_at(here ? "127.0.0.2" : "127.0.0.1", &fd);
		enum event_reason got = call(&p, rows[i].scheme, port, rows[i].address);

		if (got != rows[i].want || was_connected_to(fd) != (got == EVENT_TIMEOUT))
			fail_msg("%s to %s: %s", rows[i].scheme, rows[i].address,
				 event_reason_name(got));
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_opened_for_an_admitted_address_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
