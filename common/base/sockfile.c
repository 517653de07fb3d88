/* SPDX-License-Identifier: Apache-2.0 */
/* Clearing the way for bind(2). It must never remove a file that is no socket. */
#include "common/base/sockfile.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void sockfile_remove_stale(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	struct stat st;
	int fd;

	if (n >= sizeof(un.sun_path) || lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(un.sun_path, path, n + 1);
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) && errno == ECONNREFUSED)
		unlink(path);
	close(fd);
}
