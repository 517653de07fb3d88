/* SPDX-License-Identifier: Apache-2.0 */
/* Files for attachments. Nothing here opens a file that it did not make. */
#include "cli/save.h"

#include "cli/media_type.h"
#include "common/base/file.h"
#include "common/base/utf8.h"
#include "common/mail/mime_param.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NAME_BYTES_MAX = 255,
	EXTENSION_MAX = 16,
	ATTEMPTS_MAX = 10000,
};

/* ---- the folder ---- */

static enum err io_fail(struct fail *fail, const char *folder, const char *name, int error)
{
	return fail_set(fail, ERR_IO, "%.100s%s%.80s: %s", folder, *name ? "/" : "", name,
			strerror(error));
}

enum err save_open(const char *path, struct save_folder *ret, struct fail *fail)
{
	int fd;

	if (mkdir(path, 0777) && errno != EEXIST)
		return io_fail(fail, path, "", errno);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return io_fail(fail, path, "", errno);
	*ret = (struct save_folder){ fd, path };
	return OK;
}

void save_close(struct save_folder *f)
{
	if (f->path)
		close(f->fd);
	f->path = NULL;
}

/* ---- names ---- */

/* True for what DOS and its heirs take for a device, whatever stands behind a dot. */
static bool is_device(struct slice name)
{
	static const struct slice devices[] = { SLICE_INIT("con"), SLICE_INIT("prn"),
						SLICE_INIT("aux"), SLICE_INIT("nul"),
						SLICE_INIT("com"), SLICE_INIT("lpt") };
	struct slice rest = name, stem = S("");
	size_t n;

	slice_cut(&rest, '.', &stem);
	stem = slice_trim(stem);
	n = stem.n == 4 && stem.p[3] >= '0' && stem.p[3] <= '9' ? 3 : stem.n;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (slice_ieq(slice_sub(stem, 0, n), devices[i]))
			return (n == 3 && stem.n == 4) == (i >= 4);
	return false;
}

/* From the last dot on; empty for a name without an extension. */
static struct slice extension_of(struct slice name)
{
	ptrdiff_t dot = slice_rfind(name, '.');
	struct slice extension = slice_sub(name, dot > 0 ? (size_t)dot : name.n, name.n);

	return extension.n <= EXTENSION_MAX ? extension : S("");
}

static struct slice base_name(struct slice filename, struct slice type, size_t number,
			      struct arena *a)
{
	struct slice safe = mime_safe_filename(filename, a);

	if (safe.n == 0)
		safe = slice_str(
			arena_printf(a, "attachment-%zu%s", number, media_type_extension(type)));
	if (safe.p[0] == '-' || is_device(safe))
		safe = slice_str(arena_printf(a, "_%.*s", SLICE_ARGS(safe)));
	return safe;
}

const char *save_name(struct slice filename, struct slice type, size_t number, unsigned attempt,
		      struct arena *a)
{
	struct slice name = base_name(filename, type, number, a);
	struct slice extension = extension_of(name);
	struct slice stem = slice_sub(name, 0, name.n - extension.n);
	const char *suffix = attempt > 1 ? arena_printf(a, "-%u", attempt) : "";

	stem = utf8_cut(stem, NAME_BYTES_MAX - extension.n - strlen(suffix));
	return arena_printf(a, "%.*s%s%.*s", SLICE_ARGS(stem), suffix, SLICE_ARGS(extension));
}

/* ---- files ---- */

/* A file that was not there. ERR_CONFLICT: something of that name was; ERR_INPUT: no such name can
 * be. */
static enum err make(const struct save_folder *f, const char *name, int *ret_fd, struct fail *fail)
{
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

	if (fd >= 0)
		*ret_fd = fd;
	else if (errno == EEXIST)
		return ERR_CONFLICT;
	else if (errno == ENAMETOOLONG || errno == EINVAL || errno == EILSEQ)
		return ERR_INPUT;
	return fd < 0 ? io_fail(fail, f->path, name, errno) : OK;
}

static enum err make_some(const struct save_folder *f, const struct mime_part *p, size_t number,
			  struct arena *a, const char **ret_name, int *ret_fd, struct fail *fail)
{
	struct slice wanted = p->filename;

	for (unsigned i = 1; i <= ATTEMPTS_MAX; i++) {
		AUTO(arena_release) struct arena scratch = ARENA_INIT;
		const char *name = save_name(wanted, p->type, number, i, &scratch);
		enum err e = make(f, name, ret_fd, fail);

		if (e == ERR_INPUT && wanted.n)
			wanted = S(""); /* not on this file system */
		else if (e != ERR_CONFLICT) {
			*ret_name = arena_strdup(a, name);
			return e == ERR_INPUT ? io_fail(fail, f->path, name, EINVAL) : e;
		}
	}
	return io_fail(fail, f->path, "", EEXIST);
}

static enum err write_piece(void *arg, struct slice bytes)
{
	return file_write_all(*(const int *)arg, bytes);
}

enum err save_part(const struct save_folder *f, const struct mail *m, const struct mime_part *p,
		   size_t number, struct arena *a, const char **ret_name, struct fail *fail)
{
	const char *name = "";
	int fd = -1, error;
	enum err e = make_some(f, p, number, a, &name, &fd, fail);

	if (e)
		return e;
	errno = 0;
	e = mail_part_each(m, p, write_piece, &fd);
	error = e ? errno : 0;
	if (close(fd) && !error) /* some file systems say only now that they are full */
		error = errno;
	if (error) {
		unlinkat(f->fd, name, 0);
		return io_fail(fail, f->path, name, error);
	}
	*ret_name = name;
	return OK;
}
