/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's reading side: lines, data, answers. It must never say 250 for a
 * mail by itself; that is for whoever stored it.
 */
#include "deliverd/lmtp_private.h"

#include "common/base/mem.h"
#include "deliverd/deliverd_metrics.h"

#include <assert.h>

struct lmtp *lmtp_new(const struct lmtp_limits *limits)
{
	struct lmtp *l = mem_zalloc(sizeof(*l));

	l->limits = limits;
	buf_init(&l->line, LMTP_LINE_MAX);
	return l;
}

void lmtp_free(struct lmtp *l)
{
	if (!l)
		return;
	mail_free(l->mail);
	buf_release(&l->line);
	free(l);
}

void lmtp_greet(struct lmtp *l, struct buf *out)
{
	buf_addf(out, "220 %s LMTP e2a\r\n", l->limits->host);
}

void lmtp_reset(struct lmtp *l)
{
	mail_free(TAKE(l->mail));
	l->in_mail = false;
	l->refused = OK;
	l->dot = DOT_LINE_START;
}

/* Data of a mail that will be refused is read and dropped. */
static void add_data(void *arg, struct slice bytes)
{
	struct lmtp *l = arg;
	struct mail *m = l->mail;

	if (l->refused || bytes.n == 0)
		return;
	if (m->raw.len + bytes.n > l->limits->message_bytes)
		l->refused = ERR_TOO_BIG;
	else if (!mail_charge(m, m->raw.len + bytes.n))
		l->refused = ERR_BUSY;
	else
		buf_add_slice(&m->raw, bytes);
	if (l->refused)
		buf_release(&m->raw);
}

static void refuse_all(struct lmtp *l, struct buf *out)
{
	enum err code = l->refused;
	size_t n = l->mail->rcpts_n;

	lmtp_reset(l);
	l->phase = LMTP_COMMAND;
	for (l->answers = n; l->answers;)
		lmtp_answer(l, code, S(""), out);
}

static void read_data(struct lmtp *l, struct slice *in, struct buf *out)
{
	dot_read(&l->dot, in, add_data, l);
	if (l->dot != DOT_END)
		return;
	if (l->refused)
		refuse_all(l, out);
	else
		l->phase = LMTP_COMPLETE;
}

static void run_line(struct lmtp *l, struct slice line, struct buf *out)
{
	if (slice_ends(line, S("\r")))
		lmtp_command(l, slice_sub(line, 0, line.n - 1), out);
	else
		buf_add_str(out, "500 5.5.2 Lines end with CRLF\r\n");
}

/* Drops what has been read of a line that is too long, up to its end. */
static void read_long_line(struct lmtp *l, struct slice *in, struct buf *out)
{
	ptrdiff_t end = slice_find(*in, '\n');

	*in = end < 0 ? slice_sub(*in, in->n, in->n) : slice_sub(*in, (size_t)end + 1, in->n);
	if (end < 0)
		return;
	l->phase = LMTP_COMMAND;
	l->errors++;
	buf_add_str(out, "500 5.5.2 Line too long\r\n");
}

static void read_line(struct lmtp *l, struct slice *in, struct buf *out)
{
	ptrdiff_t end = slice_find(*in, '\n');
	size_t n = end < 0 ? in->n : (size_t)end;
	struct slice part = slice_sub(*in, 0, n);

	if (l->line.len + n >= LMTP_LINE_MAX) {
		buf_reset(&l->line);
		l->phase = LMTP_LONG_LINE;
		return;
	}
	*in = slice_sub(*in, n + (end >= 0), in->n);
	if (end >= 0 && l->line.len == 0) {
		run_line(l, part, out);
		return;
	}
	buf_add_slice(&l->line, part);
	if (end >= 0) {
		run_line(l, buf_slice(&l->line), out);
		buf_reset(&l->line);
	}
}

enum lmtp_next lmtp_feed(struct lmtp *l, struct slice *in, struct buf *out)
{
	static void (*const readers[])(struct lmtp * l, struct slice * in, struct buf * out) = {
		[LMTP_COMMAND] = read_line,
		[LMTP_LONG_LINE] = read_long_line,
		[LMTP_DATA] = read_data,
	};

	while (in->n && l->phase < LMTP_COMPLETE) {
		readers[l->phase](l, in, out);
		if (l->errors > LMTP_ERRORS_MAX) {
			lmtp_goodbye(l, "4.7.0 Too many errors", out);
			l->phase = LMTP_QUIT;
		}
	}
	if (l->phase == LMTP_QUIT)
		return LMTP_CLOSE;
	return l->phase == LMTP_COMPLETE ? LMTP_MAIL : LMTP_MORE;
}

struct mail *lmtp_take(struct lmtp *l)
{
	struct mail *m = TAKE(l->mail);

	assert(l->phase == LMTP_COMPLETE && m);
	l->answers = m->rcpts_n;
	return m;
}

void lmtp_answer(struct lmtp *l, enum err code, struct slice text, struct buf *out)
{
	const struct err_info *info = err_info(code);

	assert(l->answers > 0);
	deliverd_count_reply(info->smtp);
	if (text.n == 0)
		text = slice_str(info->text);
	buf_addf(out, "%d %s ", info->smtp, code ? info->enhanced : "2.1.5");
	buf_add_slice(out, text);
	buf_add_str(out, "\r\n");
	if (--l->answers == 0 && l->phase == LMTP_COMPLETE) {
		lmtp_reset(l);
		l->phase = LMTP_COMMAND;
	}
}

bool lmtp_idle(const struct lmtp *l)
{
	return l->phase == LMTP_COMMAND && !l->in_mail;
}

void lmtp_goodbye(struct lmtp *l, const char *text, struct buf *out)
{
	buf_addf(out, "421 %s\r\n", text);
	l->phase = LMTP_QUIT;
}
