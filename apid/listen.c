/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: made here, or handed over by the service manager so that a restart refuses
 * nobody. */
#include "apid/listen.h"

#include "common/base/mem.h"
#include "common/base/sockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, FD_FIRST = 3 };

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void freeaddrinfop(struct addrinfo **p)
{
	if (*p)
		freeaddrinfo(*p);
}

static enum err sys_fail(struct fail *fail, const char *spec, const char *what)
{
	return fail_set(fail, ERR_CONFIG, "http_listen %.100s: %s: %s", spec, what,
			strerror(errno));
}

static enum err ready(const char *spec, int fd, struct fail *fail)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return sys_fail(fail, spec, "fcntl");
	if (listen(fd, BACKLOG))
		return sys_fail(fail, spec, "listen");
	return OK;
}

/* sd_listen_fds(3): the variables name the process they are for. */
static enum err from_manager(const char *spec, struct slice number, int *ret_fd, struct fail *fail)
{
	uint64_t fd, pid, count;
	int type;
	socklen_t len = sizeof(type);

	if (slice_to_u64(number, INT32_MAX, &fd) ||
	    slice_to_u64(slice_str(getenv("LISTEN_PID")), INT32_MAX, &pid) ||
	    slice_to_u64(slice_str(getenv("LISTEN_FDS")), 1000, &count) ||
	    pid != (uint64_t)getpid() || fd < FD_FIRST || fd >= FD_FIRST + count)
		return fail_set(fail, ERR_CONFIG,
				"http_listen %.100s: no such socket was handed over", spec);
	if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM)
		return fail_set(fail, ERR_CONFIG, "http_listen %.100s: not a stream socket", spec);
	*ret_fd = (int)fd;
	return ready(spec, *ret_fd, fail);
}

static enum err open_unix(const char *spec, struct slice path, int *ret_fd, struct fail *fail)
{
	AUTO(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	enum err e;

	if (path.n == 0 || path.n >= sizeof(un.sun_path))
		return fail_set(fail, ERR_CONFIG, "http_listen %.100s: path is empty or too long",
				spec);
	memcpy(un.sun_path, path.p, path.n);
	sockfile_remove_stale(un.sun_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&un, sizeof(un)))
		return sys_fail(fail, spec, "bind");
	if (chmod(un.sun_path, 0666)) /* as open as a port: the API authenticates */
		return sys_fail(fail, spec, "chmod");
	e = ready(spec, fd, fail);
	if (e == OK) {
		*ret_fd = fd;
		fd = -1;
	}
	return e;
}

static enum err bind_inet(const char *spec, const struct addrinfo *ai, int *ret_fd,
			  struct fail *fail)
{
	AUTO(closep) int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;
	enum err e;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen))
		return sys_fail(fail, spec, "bind");
	e = ready(spec, fd, fail);
	if (e == OK) {
		*ret_fd = fd;
		fd = -1;
	}
	return e;
}

static enum err open_inet(const char *spec, int *ret_fd, struct fail *fail)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	AUTO(freeaddrinfop) struct addrinfo *list = NULL;
	struct slice text = slice_str(spec);
	ptrdiff_t colon = slice_rfind(text, ':');
	AUTO(mem_freep) char *host = NULL;
	struct slice name;
	int error;

	if (colon < 0)
		return fail_set(fail, ERR_CONFIG, "http_listen %.100s: not host:port", spec);
	name = slice_sub(text, 0, (size_t)colon);
	if (slice_starts(name, S("[")) && slice_ends(name, S("]")))
		name = slice_sub(name, 1, name.n - 1);
	host = mem_dup(name.p, name.n);
	error = getaddrinfo(*host ? host : NULL, spec + colon + 1, &hints, &list);
	if (error)
		return fail_set(fail, ERR_CONFIG, "http_listen %.100s: %s", spec,
				gai_strerror(error));
	return bind_inet(spec, list, ret_fd, fail);
}

enum err listen_open(const char *spec, int *ret_fd, struct fail *fail)
{
	struct slice text = slice_str(spec);

	if (slice_starts(text, S("fd:")))
		return from_manager(spec, slice_sub(text, 3, text.n), ret_fd, fail);
	if (slice_starts(text, S("unix:")))
		return open_unix(spec, slice_sub(text, 5, text.n), ret_fd, fail);
	if (slice_starts(text, S("inet:")))
		spec += 5;
	return open_inet(spec, ret_fd, fail);
}
