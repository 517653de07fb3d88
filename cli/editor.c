/* SPDX-License-Identifier: Apache-2.0 */
/* Running an editor. What the user typed is theirs: nothing here removes a file they had in it. */
#include "cli/editor.h"

#include "common/base/file.h"
#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PATH_BYTES_MAX = 4096 };

#define SUFFIX ".txt"

enum err editor_file(struct slice text, char **ret_path, struct fail *fail)
{
	AUTO(buf_release) struct buf path = BUF_INIT(PATH_BYTES_MAX);
	const char *folder = getenv("TMPDIR");
	enum err e;
	int fd;

	buf_addf(&path, "%s/e2a-XXXXXX" SUFFIX, folder && *folder ? folder : "/tmp");
	if (buf_failed(&path))
		return fail_set(fail, ERR_IO, "TMPDIR is too long");
	fd = mkostemps(path.p, sizeof(SUFFIX) - 1, O_CLOEXEC); /* 0600 */
	if (fd < 0)
		return fail_set(fail, ERR_IO, "%.180s: %s", path.p, strerror(errno));
	e = file_write_all(fd, text);
	if (e)
		fail_set(fail, e, "%.180s: %s", path.p, strerror(errno));
	if (close(fd) && e == OK)
		e = fail_set(fail, ERR_IO, "%.180s: %s", path.p, strerror(errno));
	if (e)
		unlink(path.p);
	else
		*ret_path = buf_take(&path);
	return e;
}

static const char *editor(void)
{
	const char *visual = getenv("VISUAL"), *name = getenv("EDITOR");

	return visual && *visual ? visual : name && *name ? name : "vi";
}

/* We ignore some signals; the editor must not. */
static int spawn_shell(char **argv, pid_t *ret)
{
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int error = posix_spawnattr_init(&attributes);

	if (error)
		return error;
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGQUIT);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	error = posix_spawn(ret, "/bin/sh", NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	return error;
}

/* The editor's value may have arguments, so the shell reads it. */
static int spawn(const char *path, pid_t *ret)
{
	AUTO(buf_release) struct buf script = BUF_INIT(PATH_BYTES_MAX);
	char sh[] = "sh", c[] = "-c", zero[] = "e2a";
	AUTO(mem_freep) char *copy = mem_strdup(path);
	char *argv[] = { sh, c, NULL, zero, copy, NULL };

	buf_addf(&script, "%s \"$1\"", editor());
	if (buf_failed(&script))
		return E2BIG;
	argv[2] = script.p;
	return spawn_shell(argv, ret);
}

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return status;
}

/* Ctrl-C in the editor is the editor's. */
static int run_alone(const char *path, int *ret_status)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, interrupt, quit;
	pid_t pid;
	int error;

	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	error = spawn(path, &pid);
	if (error == 0)
		*ret_status = wait_for(pid);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	return error;
}

enum err editor_run(const char *path, struct fail *fail)
{
	int status = 0, error = run_alone(path, &status);

	if (error)
		return fail_set(fail, ERR_CONFIG, "cannot run an editor: %s", strerror(error));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return OK;
	if (WIFEXITED(status))
		return fail_set(fail, ERR_CONFIG, "the editor \"%.80s\" ended with status %d",
				editor(), WEXITSTATUS(status));
	return fail_set(fail, ERR_CONFIG, "the editor \"%.80s\" was killed", editor());
}

enum err editor_read(const char *path, struct buf *ret, struct fail *fail)
{
	return file_read(path, ret, fail);
}
