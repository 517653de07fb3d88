/* SPDX-License-Identifier: Apache-2.0 */
/* Binding the LMTP socket. It must never take a socket away from a daemon that is running. */
#include "deliverd/lmtp_listen.h"

#include "common/base/netaddr.h"
#include "common/base/sockfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_MODE = 0660 };

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static enum err bad(const char *address, struct fail *fail)
{
	return fail_set(fail, ERR_CONFIG,
			"lmtp_listen = %.160s: not unix:/path or inet:address:port", address);
}

const char *lmtp_listen_path(const char *address)
{
	return slice_starts(slice_str(address), S("unix:/")) ? address + 5 : NULL;
}

static enum err parse_inet(const char *address, union address *ret, socklen_t *ret_len,
			   struct fail *fail)
{
	struct slice text = slice_sub(slice_str(address), 5, SIZE_MAX), host;
	ptrdiff_t colon = slice_rfind(text, ':');
	struct netaddr a;
	uint64_t port;

	if (colon < 0 || slice_to_u64(slice_sub(text, (size_t)colon + 1, text.n), 65535, &port))
		return bad(address, fail);
	host = slice_sub(text, 0, (size_t)colon);
	if (slice_starts(host, S("[")) && slice_ends(host, S("]")))
		host = slice_sub(host, 1, host.n - 1);
	if (netaddr_parse(host, &a))
		return bad(address, fail);
	if (a.n == 4) {
		ret->in = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_port = htons((uint16_t)port) };
		memcpy(&ret->in.sin_addr, a.b, 4);
		*ret_len = sizeof(ret->in);
	} else {
		ret->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						  .sin6_port = htons((uint16_t)port) };
		memcpy(&ret->in6.sin6_addr, a.b, 16);
		*ret_len = sizeof(ret->in6);
	}
	return OK;
}

static enum err parse(const char *address, union address *ret, socklen_t *ret_len,
		      struct fail *fail)
{
	const char *path = lmtp_listen_path(address);

	memset(ret, 0, sizeof(*ret));
	if (slice_starts(slice_str(address), S("inet:")))
		return parse_inet(address, ret, ret_len, fail);
	if (!path)
		return bad(address, fail);
	if (strlen(path) >= sizeof(ret->un.sun_path))
		return fail_set(fail, ERR_CONFIG, "lmtp_listen: path is longer than %zu bytes",
				sizeof(ret->un.sun_path) - 1);
	ret->un.sun_family = AF_UNIX;
	memcpy(ret->un.sun_path, path, strlen(path) + 1);
	*ret_len = sizeof(ret->un);
	return OK;
}

enum err lmtp_listen_open(const char *address, int *ret_fd, struct fail *fail)
{
	union address a;
	socklen_t len = 0;
	int fd, one = 1;
	enum err e = parse(address, &a, &len, fail);

	if (e)
		return e;
	if (a.any.sa_family == AF_UNIX)
		sockfile_remove_stale(a.un.sun_path);
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && a.any.sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, &a.any, len) ||
	    (a.any.sa_family == AF_UNIX && chmod(a.un.sun_path, SOCKET_MODE))) {
		fail_set(fail, ERR_CONFIG, "lmtp_listen = %.160s: %s", address, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_CONFIG;
	}
	*ret_fd = fd;
	return OK;
}
