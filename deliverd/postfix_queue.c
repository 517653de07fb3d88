/* SPDX-License-Identifier: Apache-2.0 */
/* postqueue(1) in a child: bounded in time, in output and in the length of a line. */
#include "deliverd/postfix_queue.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/jsonf.h"
#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = 1024 * 1024,
	READ_BYTES = 64 * 1024,
	STOP_POLL_MS = 200,
	EXIT_POLL_MS = 10,
	CAUSE_MAX = 150
};
#define OUTPUT_MAX (1024LL * 1024 * 1024)

struct listing {
	struct slice sender;
	int64_t end_ms;
	const atomic_bool *stop; /* or NULL */
	int64_t left;            /* bytes that may still come */
	struct buf line;         /* the beginning of the present one */
	struct buf said;         /* the first line that is no entry */
	bool found;
	char id[POSTFIX_QUEUE_ID_MAX + 1];
	struct fail *fail;
};

/* ---- lines ---- */

struct entry {
	struct slice queue_id, sender;
};

static const struct jsonf_row entry_rows[] = {
	{ "queue_id", JSONF_TEXT, offsetof(struct entry, queue_id), JSONF_NO_GIVEN },
	{ "sender", JSONF_TEXT, offsetof(struct entry, sender), JSONF_NO_GIVEN },
	{ NULL, JSONF_TEXT, 0, 0 },
};

enum err postfix_queue_read(struct slice line, struct slice sender, bool *ret_found,
			    char ret_id[POSTFIX_QUEUE_ID_MAX + 1])
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	struct entry e = { 0 };
	struct slice id;

	*ret_found = false;
	if (slice_search(line, sender) < 0)
		return OK;
	if (jsonf_read(line, entry_rows, &arena, &e))
		return ERR_INPUT;
	if (!slice_eq(e.sender, sender))
		return OK;
	id = slice_sub(e.queue_id, 0, POSTFIX_QUEUE_ID_MAX);
	if (!id.n || !slice_only(id, ""))
		id = S("");
	memcpy(ret_id, id.p, id.n);
	ret_id[id.n] = '\0';
	*ret_found = true;
	return OK;
}

static enum err take_line(struct listing *l)
{
	struct slice line = buf_slice(&l->line);
	bool found = false;

	if (!slice_starts(line, S("{"))) {
		if (!l->said.len)
			buf_add_slice(&l->said, slice_sub(line, 0, CAUSE_MAX));
	} else if (postfix_queue_read(line, l->sender, &found, l->id)) {
		return fail_set(l->fail, ERR_INPUT, "postqueue: a line that cannot be read");
	}
	l->found = l->found || found;
	buf_reset(&l->line);
	return OK;
}

/* Of a line that is too long the beginning is kept, which has the sender. */
static enum err take_bytes(struct listing *l, struct slice s)
{
	struct slice piece;

	while (s.n) {
		ptrdiff_t at = slice_find(s, '\n');

		piece = slice_sub(s, 0, at < 0 ? s.n : (size_t)at);
		buf_add_slice(&l->line, slice_sub(piece, 0, LINE_MAX_BYTES - l->line.len));
		if (at < 0)
			return OK;
		s = slice_sub(s, (size_t)at + 1, s.n);
		if (take_line(l))
			return l->fail->code;
	}
	return OK;
}

/* ---- the child ---- */

static enum err start(const char *program, int out, pid_t *ret, struct fail *fail)
{
	char name[] = "postqueue", option[] = "-j";
	char *const argv[] = { name, option, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	int e;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, out, 2);
	e = posix_spawn(ret, program, &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return e ? fail_set(fail, ERR_IO, "%.100s: %s", program, strerror(e)) : OK;
}

static enum err read_all(struct listing *l, int in)
{
	AUTO(mem_freep) char *p = mem_alloc(READ_BYTES);

	for (;;) {
		struct pollfd ready = { .fd = in, .events = POLLIN };
		int got = poll(&ready, 1, STOP_POLL_MS);
		ssize_t n;

		if (clock_mono_ms() >= l->end_ms || (l->stop && atomic_load(l->stop)))
			return fail_set(l->fail, ERR_TIMEOUT, "postqueue: timed out");
		if (got <= 0)
			continue;
		n = read(in, p, READ_BYTES);
		if (n < 0 && errno != EINTR)
			return fail_set(l->fail, ERR_IO, "postqueue: %s", strerror(errno));
		if (n == 0)
			return l->line.len ? take_line(l) : OK;
		l->left -= n > 0 ? n : 0;
		if (l->left < 0)
			return fail_set(l->fail, ERR_TOO_BIG, "postqueue: more than is read");
		if (n > 0 && take_bytes(l, slice_of(p, (size_t)n)))
			return l->fail->code;
	}
}

/* Waits for the end until the deadline; -1 when there was none, or a signal. */
static int status_of(pid_t pid, int64_t end_ms)
{
	int status = -1;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && clock_mono_ms() < end_ms)
		poll(NULL, 0, EXIT_POLL_MS);
	if (got == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static enum err list(struct listing *l, const char *program)
{
	int fds[2], status;
	pid_t pid;
	enum err e;

	if (pipe2(fds, O_CLOEXEC))
		return fail_set(l->fail, ERR_IO, "postqueue: %s", strerror(errno));
	e = start(program, fds[1], &pid, l->fail);
	close(fds[1]);
	if (e == OK) {
		e = read_all(l, fds[0]);
		status = status_of(pid, e ? 0 : l->end_ms);
		if (e == OK && status)
			e = fail_set(l->fail, ERR_IO, "postqueue: status %d: %s", status,
				     buf_cstr(&l->said));
	}
	close(fds[0]);
	return e;
}

enum err postfix_queue_find(const char *program, struct slice sender, int64_t timeout_ms,
			    const atomic_bool *stop, bool *ret_found,
			    char ret_id[POSTFIX_QUEUE_ID_MAX + 1], struct fail *fail)
{
	struct listing l = { .sender = sender,
			     .end_ms = clock_mono_ms() + timeout_ms,
			     .stop = stop,
			     .left = OUTPUT_MAX,
			     .line = BUF_INIT(LINE_MAX_BYTES),
			     .said = BUF_INIT(CAUSE_MAX),
			     .fail = fail };
	enum err e = list(&l, program);

	/* a mail that was seen is there, whatever came after it */
	if (l.found)
		e = OK;
	if (e == OK) {
		*ret_found = l.found;
		memcpy(ret_id, l.id, sizeof(l.id));
	}
	buf_release(&l.line);
	buf_release(&l.said);
	return e;
}
