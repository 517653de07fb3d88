/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files. A reader never sees half of what file_replace() writes. */
#include "common/base/file.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static enum err io_fail(struct fail *fail, const char *path)
{
	return fail_set(fail, ERR_IO, "%.180s: %s", path, strerror(errno));
}

enum err file_read(const char *path, struct buf *ret, struct fail *fail)
{
	AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char chunk[8192];
	struct stat st;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st))
		return io_fail(fail, path);
	if (!S_ISREG(st.st_mode))
		return fail_set(fail, ERR_IO, "%.180s: not a regular file", path);
	while (!buf_failed(ret) && (n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(ret, chunk, (size_t)n);
	if (n < 0)
		return io_fail(fail, path);
	return buf_failed(ret) ? fail_set(fail, ERR_TOO_BIG, "%.180s: too big", path) : OK;
}

enum err file_write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		s = slice_sub(s, (size_t)n, s.n);
	}
	return OK;
}

static enum err sync_folder_of(const char *path)
{
	AUTO(mem_freep) char *copy = mem_strdup(path);
	AUTO(closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? OK : ERR_IO;
}

enum err file_replace(const char *path, struct slice content, mode_t mode, struct fail *fail)
{
	AUTO(buf_release) struct buf temp = BUF_INIT(4096);
	AUTO(closep) int fd = -1;
	enum err e;

	buf_addf(&temp, "%s.XXXXXX", path);
	if (buf_failed(&temp))
		return fail_set(fail, ERR_IO, "%.180s: path is too long", path);
	fd = mkostemp(temp.p, O_CLOEXEC);
	if (fd < 0)
		return io_fail(fail, path);
	if (fchmod(fd, mode) == 0 && file_write_all(fd, content) == OK && fsync(fd) == 0 &&
	    rename(temp.p, path) == 0 && sync_folder_of(path) == OK)
		return OK;
	e = io_fail(fail, path);
	unlink(temp.p);
	return e;
}
