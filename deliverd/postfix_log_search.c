/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log from its end to its beginning, a block at a time. It must never
 * claim to have seen all when a file was cut, rotated away or written by
 * another clock.
 */
#include "deliverd/postfix_log.h"

#include "common/base/buf.h"
#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1024 * 1024, LINE_MAX_BYTES = 64 * 1024, FILES = 2 };
#define SECOND_US 1000000LL
#define SLACK_US (5 * SECOND_US)   /* between the clocks of the database and of Postfix */
#define DRIFT_US (300 * SECOND_US) /* of the last line's time against the file's */

struct search {
	const struct postfix_log_query *query;
	struct smtp_reply *rcpts;
	struct postfix_log_answer *ret;
	struct fail *fail;
	const char *path;
	int64_t left;       /* bytes of the window */
	int64_t newest_us;  /* time of the last line; 0: none yet */
	int64_t written_us; /* when the file that it is in was written */
	bool covered;       /* a line older than since_us was met */
	struct buf block;
	struct buf head; /* the end of a line whose beginning is in the block before */
};

/* ---- what lines say ---- */

static struct slice line_at(struct slice text, size_t at)
{
	struct slice before = slice_sub(text, 0, at);
	size_t begin = (size_t)(slice_rfind(before, '\n') + 1);
	struct slice rest = slice_sub(text, begin, text.n);
	ptrdiff_t end = slice_find(rest, '\n');

	return slice_sub(rest, 0, end < 0 ? rest.n : (size_t)end);
}

/* The next line from *rest on that names the sender. */
static bool next_line(struct slice *rest, struct slice sender, struct slice *ret)
{
	ptrdiff_t at = slice_search(*rest, sender);

	if (at < 0)
		return false;
	*ret = line_at(*rest, (size_t)at);
	*rest = slice_sub(*rest, (size_t)(ret->p - rest->p) + ret->n, rest->n);
	return true;
}

static bool has_accepted(struct slice text, struct slice sender)
{
	struct postfix_log_line l;
	struct slice line;

	while (next_line(&text, sender, &line))
		if (postfix_log_read(line, sender, &l) == POSTFIX_LOG_ACCEPTED)
			return true;
	return false;
}

static void take_refusal(struct search *s, const struct postfix_log_line *l)
{
	for (size_t i = 0; i < s->query->rcpts_n; i++)
		if (slice_ieq(s->query->rcpts[i], l->rcpt))
			s->rcpts[i] = l->reply;
}

static void take_accepted(struct search *s, const struct postfix_log_line *l)
{
	struct slice id = slice_sub(l->queue_id, 0, POSTFIX_QUEUE_ID_MAX);

	s->ret->accepted = true;
	memcpy(s->ret->queue_id, id.p, id.n);
	s->ret->queue_id[id.n] = '\0';
}

/*
 * Once Postfix has the mail others may know its sender, and be refused with
 * it: what was logged behind that does not count.
 */
static void take_lines(struct search *s, struct slice text)
{
	struct slice sender = s->query->sender, line;
	struct postfix_log_line l;

	if (has_accepted(text, sender))
		for (size_t i = 0; i < s->query->rcpts_n; i++)
			s->rcpts[i] = (struct smtp_reply){ 0 };
	while (next_line(&text, sender, &line))
		switch (postfix_log_read(line, sender, &l)) {
		case POSTFIX_LOG_ACCEPTED:
			take_accepted(s, &l);
			return;
		case POSTFIX_LOG_RCPT_REFUSED:
			take_refusal(s, &l);
			break;
		case POSTFIX_LOG_MAIL_REFUSED:
			s->ret->refused = true;
			break;
		case POSTFIX_LOG_OTHER:
			break;
		}
}

/* ---- how far it goes back ---- */

static bool first_time(const struct search *s, struct slice text, int64_t *ret)
{
	struct slice line;

	while (text.n && slice_cut(&text, '\n', &line))
		if (postfix_log_time(line, s->query->now_us, ret) == OK)
			return true;
	return false;
}

static bool last_time(const struct search *s, struct slice text, int64_t *ret)
{
	while (text.n) {
		struct slice line = line_at(text, text.n - 1);

		if (postfix_log_time(line, s->query->now_us, ret) == OK)
			return true;
		text = slice_sub(text, 0, (size_t)(line.p - text.p));
		text.n -= text.n > 0; /* the LF before it */
	}
	return false;
}

static void take_text(struct search *s, struct slice text)
{
	int64_t t;

	take_lines(s, text);
	if (!s->newest_us && last_time(s, text, &t))
		s->newest_us = t;
	if (first_time(s, text, &t) && t < s->query->since_us - SLACK_US)
		s->covered = true;
}

/* ---- files ---- */

static enum err read_block(struct search *s, int fd, int64_t at, size_t n)
{
	AUTO(mem_freep) char *p = mem_alloc(n);
	ssize_t got = pread(fd, p, n, at);

	if (got != (ssize_t)n)
		return fail_set(s->fail, ERR_IO, "%.150s: %s", s->path,
				got < 0 ? strerror(errno) : "cut while it was read");
	buf_reset(&s->block);
	buf_add(&s->block, p, n);
	buf_add_slice(&s->block, buf_slice(&s->head));
	return OK;
}

/* A line that is longer than any of Postfix's is not kept. */
static void keep_head(struct search *s, struct slice head)
{
	buf_reset(&s->head);
	if (head.n <= LINE_MAX_BYTES)
		buf_add_slice(&s->head, head);
}

static enum err search_file(struct search *s, int fd, int64_t size)
{
	buf_reset(&s->head);
	while (size > 0 && s->left > 0 && !s->covered) {
		size_t n = size < BLOCK ? (size_t)size : BLOCK;
		struct slice text;
		size_t begin = 0;

		size -= (int64_t)n;
		s->left -= (int64_t)n;
		if (read_block(s, fd, size, n))
			return s->fail->code;
		text = buf_slice(&s->block);
		if (size > 0)
			begin = (size_t)(slice_find(text, '\n') + 1);
		if (size > 0 && !begin)
			begin = text.n;
		take_text(s, slice_sub(text, begin, text.n));
		keep_head(s, slice_sub(text, 0, begin));
	}
	return OK;
}

static void close_file(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static enum err open_file(const char *path, int *ret_fd, struct stat *ret, struct fail *fail)
{
	AUTO(close_file) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, ret))
		return fail_set(fail, ERR_IO, "%.150s: %s", path, strerror(errno));
	if (!S_ISREG(ret->st_mode))
		return fail_set(fail, ERR_IO, "%.150s: not a regular file", path);
	*ret_fd = fd;
	fd = -1;
	return OK;
}

/* ---- all of it ---- */

/* The last line was written when the file was, unless its clock or zone is another. */
static bool clocks_agree(const struct search *s)
{
	return s->newest_us > s->written_us - DRIFT_US && s->newest_us < s->written_us + DRIFT_US;
}

static enum err judge(const struct search *s)
{
	if (!s->newest_us)
		return fail_set(s->fail, ERR_INPUT, "%.150s: no line with a time", s->path);
	if (!clocks_agree(s))
		return fail_set(s->fail, ERR_INPUT,
				"%.150s: its last line is not from when it was written", s->path);
	if (s->newest_us < s->query->since_us - SLACK_US)
		return fail_set(s->fail, ERR_TIMEOUT, "%.150s: nothing was logged since", s->path);
	if (s->covered)
		return OK;
	if (s->left <= 0)
		return fail_set(s->fail, ERR_TOO_BIG, "%.150s: postfix_log_window is too small",
				s->path);
	return fail_set(s->fail, ERR_NOT_FOUND, "%.150s: does not go back so far", s->path);
}

static enum err search_files(struct search *s, const int fds[FILES], const struct stat stats[FILES])
{
	for (size_t i = 0; i < FILES; i++) {
		if (!s->newest_us)
			s->written_us = (int64_t)stats[i].st_mtim.tv_sec * SECOND_US;
		if (fds[i] >= 0 && search_file(s, fds[i], stats[i].st_size))
			return s->fail->code;
	}
	return judge(s);
}

enum err postfix_log_search(const char *path, int64_t window_bytes,
			    const struct postfix_log_query *query, struct smtp_reply *ret_rcpts,
			    struct postfix_log_answer *ret, struct fail *fail)
{
	struct search s = { .query = query,
			    .rcpts = ret_rcpts,
			    .ret = ret,
			    .fail = fail,
			    .path = path,
			    .left = window_bytes,
			    .block = BUF_INIT(BLOCK + LINE_MAX_BYTES),
			    .head = BUF_INIT(LINE_MAX_BYTES) };
	AUTO(buf_release) struct buf rotated = BUF_INIT(4096);
	AUTO(close_file) int older = -1;
	AUTO(close_file) int fd = -1;
	struct stat stats[FILES] = { 0 };
	struct fail ignored;
	enum err e;

	*ret = (struct postfix_log_answer){ 0 };
	for (size_t i = 0; i < query->rcpts_n; i++)
		ret_rcpts[i] = (struct smtp_reply){ 0 };
	buf_addf(&rotated, "%s.1", path);
	/* the older one, if any, first: what is rotated meanwhile is met twice, not missed */
	e = open_file(buf_cstr(&rotated), &older, &stats[1], &ignored);
	e = open_file(path, &fd, &stats[0], fail);
	if (e == OK)
		e = search_files(&s, (const int[FILES]){ fd, older }, stats);
	buf_release(&s.block);
	buf_release(&s.head);
	return e;
}
