/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the user names. Nothing here waits for a FIFO that was taken for a file. */
#include "cli/attach.h"

#include "cli/media_type.h"
#include "cli/size.h"
#include "common/base/encode.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PIECE = 96 * 1024,  /* bytes of a file that are encoded at once; a multiple of 3 */
	FIELDS_BYTES = 200, /* what a file takes in the request beside name, type and content */
	TEXT_PIECE = 64 * 1024,
};

_Static_assert(PIECE % 3 == 0, "base64 in pieces");

static enum err io_fail(struct fail *fail, const char *path)
{
	return fail_set(fail, ERR_IO, "%.180s: %s", path, strerror(errno));
}

/* ---- files ---- */

static struct slice name_of(const char *path)
{
	struct slice s = slice_str(path);
	ptrdiff_t slash = slice_rfind(s, '/');

	return slice_sub(s, (size_t)(slash + 1), s.n);
}

static enum err open_file(const char *path, struct attach_file *ret, struct fail *fail)
{
	struct stat st;

	*ret = (struct attach_file){ .path = path, .name = name_of(path) };
	ret->type = media_type_of(ret->name);
	/* O_NONBLOCK: of a FIFO nobody may have to be waited for */
	ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (ret->fd < 0 || fstat(ret->fd, &st))
		return io_fail(fail, path);
	if (!S_ISREG(st.st_mode))
		return fail_set(fail, ERR_IO, "%.180s: not a regular file", path);
	if (!utf8_valid(ret->name))
		return fail_set(fail, ERR_INPUT, "%.180s: its name is not UTF-8", path);
	ret->size = (uint64_t)st.st_size;
	return OK;
}

static uint64_t encoded(uint64_t size)
{
	return (size / 3 + 1) * 4 + FIELDS_BYTES;
}

static enum err too_big(struct fail *fail)
{
	char max[SIZE_TEXT_MAX];

	size_text(ATTACH_REQUEST_MAX / 4 * 3, max);
	return fail_set(fail, ERR_TOO_BIG,
			"too much for one mail: texts and attachments may have %s", max);
}

enum err attach_open(const char *const *paths, size_t n, size_t others, struct arena *a,
		     struct attach_files *ret, struct fail *fail)
{
	uint64_t total = others;

	*ret = (struct attach_files){ .v = arena_calloc(a, n, sizeof(*ret->v)) };
	for (size_t i = 0; i < n; i++) {
		enum err e = open_file(paths[i], &ret->v[ret->n++], fail);

		if (e)
			return e;
		total += encoded(ret->v[i].size);
		if (ret->v[i].size > ATTACH_REQUEST_MAX || total > ATTACH_REQUEST_MAX)
			return too_big(fail);
	}
	return OK;
}

void attach_close(struct attach_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].fd >= 0)
			close(f->v[i].fd);
	f->n = 0;
}

/* Fills the piece as far as there is something. */
static ssize_t read_piece(int fd, char *piece, size_t max)
{
	size_t have = 0;
	ssize_t n = 0;

	while (have < max && (n = read(fd, piece + have, max - have)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static enum err write_content(const struct attach_file *f, struct buf *out, struct fail *fail)
{
	AUTO(mem_freep) char *piece = mem_alloc(PIECE);
	ssize_t n;

	while ((n = read_piece(f->fd, piece, PIECE)) > 0 && !buf_failed(out))
		base64_encode(slice_of(piece, (size_t)n), out);
	if (n < 0)
		return io_fail(fail, f->path);
	return buf_failed(out) ? too_big(fail) : OK; /* it grew meanwhile */
}

static enum err write_file(const struct attach_file *f, struct jsonw *w, struct fail *fail)
{
	enum err e;

	jsonw_object(w);
	jsonw_key_text(w, "filename", f->name);
	jsonw_key_text(w, "content_type", slice_str(f->type));
	jsonw_key(w, "data");
	buf_add_char(w->out, '"');
	e = write_content(f, w->out, fail);
	buf_add_char(w->out, '"');
	w->comma = true;
	jsonw_object_end(w);
	return e;
}

enum err attach_write(const struct attach_files *f, struct jsonw *w, struct fail *fail)
{
	enum err e = OK;

	jsonw_array(w);
	for (size_t i = 0; i < f->n && e == OK; i++)
		e = write_file(&f->v[i], w, fail);
	jsonw_array_end(w);
	return e;
}

/* ---- texts ---- */

static const char *shown(const char *path)
{
	return slice_eq(slice_str(path), S("-")) ? "standard input" : path;
}

static enum err read_text(int fd, const char *path, struct buf *ret, struct fail *fail)
{
	AUTO(mem_freep) char *piece = mem_alloc(TEXT_PIECE);
	ssize_t n;

	while ((n = read_piece(fd, piece, TEXT_PIECE)) > 0 && !buf_failed(ret))
		buf_add(ret, piece, (size_t)n);
	if (n < 0)
		return io_fail(fail, shown(path));
	if (buf_failed(ret))
		return too_big(fail);
	if (!utf8_valid(buf_slice(ret)) || slice_find(buf_slice(ret), '\0') >= 0)
		return fail_set(fail, ERR_INPUT, "%.150s: the text is not UTF-8", shown(path));
	return OK;
}

enum err attach_text(const char *path, struct buf *ret, struct fail *fail)
{
	bool standard = slice_eq(slice_str(path), S("-"));
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err e;

	if (fd < 0)
		return io_fail(fail, path);
	e = read_text(fd, path, ret, fail);
	if (!standard)
		close(fd);
	return e;
}
