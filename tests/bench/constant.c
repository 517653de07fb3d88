/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reference of the benchmark: libmicrohttpd, set up as e2a-apid sets it up,
 * that answers GET /N with N bytes and the header fields of e2a-apid, and looks
 * at nothing else. `constant PORT`; it ends with its standard input.
 */
#include "common/base/slice.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <unistd.h>

enum { BODY_MAX = 4 * 1024 * 1024, POOL = 32 * 1024, CONNECTIONS_MAX = 1000, TIMEOUT_S = 120 };

static char body[BODY_MAX];

static const char *const fields[][2] = {
	{ "Content-Type", "application/json" },
	{ "Cache-Control", "no-store" },
	{ "X-Request-Id", "0123456789abcdef" },
};

static enum MHD_Result answer(struct MHD_Connection *mhd, size_t n)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(n, body, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ok;

	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		MHD_add_response_header(response, fields[i][0], fields[i][1]);
	ok = MHD_queue_response(mhd, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return ok;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_n, void **context)
{
	uint64_t n;

	(void)arg;
	(void)method;
	(void)version;
	(void)data;
	(void)data_n;
	if (!*context) {
		*context = mhd; /* the head has come, perhaps not yet the body */
		return MHD_YES;
	}
	return slice_to_u64(slice_str(url + 1), BODY_MAX, &n) ? MHD_NO : answer(mhd, (size_t)n);
}

int main(int argc, char **argv)
{
	const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC |
			       MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct MHD_Daemon *daemon;
	uint64_t port;
	char end;

	if (argc != 2 || slice_to_u64(slice_str(argv[1]), UINT16_MAX, &port))
		return 2;
	at.sin_port = htons((uint16_t)port);
	memset(body, 'x', sizeof(body));
	daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &at,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
	if (!daemon)
		return 1;
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
	MHD_stop_daemon(daemon);
	return 0;
}
