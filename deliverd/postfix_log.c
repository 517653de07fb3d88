/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of Postfix's log. What strangers get logged must never pass for a line of qmgr(8). */
#include "deliverd/postfix_log.h"

#include "common/base/clock.h"

#include <string.h>

enum { CLOCK_DIGITS = 8, DAY_AT = 4, CLOCK_AT = 7, TRADITIONAL = 15, YEARS = 9 };
#define DAY_US (24LL * 3600 * 1000000)

/* ---- times ---- */

static bool same_time(const struct tm *a, const struct tm *b)
{
	return a->tm_isdst == b->tm_isdst && a->tm_mday == b->tm_mday && a->tm_hour == b->tm_hour &&
	       a->tm_min == b->tm_min;
}

/* The later reading, when the hour is there twice; INT64_MIN for one that does not exist. */
static int64_t local_to_us(const struct tm *t)
{
	int64_t latest = INT64_MIN;

	for (int dst = 0; dst <= 1; dst++) {
		struct tm asked = *t, got;
		int64_t us;

		asked.tm_isdst = dst;
		got = asked;
		us = (int64_t)mktime(&got) * 1000000;
		if (same_time(&asked, &got) && us > latest)
			latest = us;
	}
	return latest;
}

static bool read_number(struct slice s, uint64_t max, int *ret)
{
	uint64_t n;

	if (slice_to_u64(slice_trim(s), max, &n))
		return false;
	*ret = (int)n;
	return true;
}

static bool read_month(struct slice s, int *ret)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (slice_eq(s, slice_of(months + (ptrdiff_t)3 * i, 3))) {
			*ret = i;
			return true;
		}
	return false;
}

static bool read_traditional(struct slice line, struct tm *ret)
{
	struct slice clock = slice_sub(line, CLOCK_AT, CLOCK_AT + CLOCK_DIGITS);

	*ret = (struct tm){ 0 };
	return line.n > TRADITIONAL && line.p[TRADITIONAL] == ' ' && clock.p[2] == ':' &&
	       clock.p[5] == ':' && read_month(slice_sub(line, 0, 3), &ret->tm_mon) &&
	       read_number(slice_sub(line, DAY_AT, DAY_AT + 2), 31, &ret->tm_mday) &&
	       read_number(slice_sub(clock, 0, 2), 23, &ret->tm_hour) &&
	       read_number(slice_sub(clock, 3, 5), 59, &ret->tm_min) &&
	       read_number(slice_sub(clock, 6, 8), 59, &ret->tm_sec);
}

static int year_of(int64_t us)
{
	char text[CLOCK_TEXT_MAX];
	int year = 0;

	clock_rfc3339_s(us, text);
	return read_number(slice_of(text, 4), 9999, &year) ? year : 0;
}

static bool has_day(const struct tm *t)
{
	int year = t->tm_year + 1900;

	return t->tm_mon != 1 || t->tm_mday != 29 ||
	       (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

enum err postfix_log_time(struct slice line, int64_t now_us, int64_t *ret_us)
{
	ptrdiff_t blank = slice_find(line, ' ');
	int64_t us;
	struct tm t;

	if (blank > 0 && clock_parse_rfc3339(slice_sub(line, 0, (size_t)blank), ret_us) == OK)
		return OK;
	if (!read_traditional(line, &t))
		return ERR_INPUT;
	t.tm_year = year_of(now_us + DAY_US) - 1900;
	for (int back = 0; back < YEARS; back++, t.tm_year--) {
		if (!has_day(&t))
			continue;
		us = local_to_us(&t);
		if (us == INT64_MIN)
			return ERR_INPUT;
		if (us <= now_us + DAY_US) {
			*ret_us = us;
			return OK;
		}
	}
	return ERR_INPUT;
}

/* ---- lines ---- */

/* Cuts "postfix/qmgr[123]: " off; *ret is "qmgr". */
static bool cut_daemon(struct slice *line, struct slice *ret)
{
	ptrdiff_t end = slice_search(*line, S("]: "));
	struct slice tag = slice_sub(*line, 0, end < 0 ? 0 : (size_t)end);
	ptrdiff_t open = slice_rfind(tag, '[');
	uint64_t pid;

	if (open < 0 || slice_to_u64(slice_sub(tag, (size_t)open + 1, tag.n), UINT32_MAX, &pid))
		return false;
	tag = slice_sub(tag, 0, (size_t)open);
	*ret = slice_sub(tag, (size_t)(slice_rfind(tag, '/') + 1), tag.n);
	*line = slice_sub(*line, (size_t)end + 3, line->n);
	return true;
}

/* Cuts at the first ": ". */
static bool cut_word(struct slice *line, struct slice *ret)
{
	ptrdiff_t at = slice_search(*line, S(": "));

	if (at < 0)
		return false;
	*ret = slice_sub(*line, 0, (size_t)at);
	*line = slice_sub(*line, (size_t)at + 2, line->n);
	return true;
}

/* Skips `text` at the start of *line. */
static bool skip(struct slice *line, struct slice text)
{
	if (!slice_starts(*line, text))
		return false;
	*line = slice_sub(*line, text.n, line->n);
	return true;
}

static enum postfix_log_kind read_qmgr(struct slice line, struct slice sender)
{
	return skip(&line, S("from=<")) && skip(&line, sender) && skip(&line, S(">, "))
		       ? POSTFIX_LOG_ACCEPTED
		       : POSTFIX_LOG_OTHER;
}

/* "550 5.1.1 <x>: unknown; from=<sender> to=<x> proto=..." */
static bool read_refusal(struct slice line, struct slice sender, struct postfix_log_line *ret)
{
	const struct slice mark = SLICE_INIT("; from=<");
	struct slice rest = line;
	ptrdiff_t at, end;

	do {
		at = slice_search(rest, mark);
		if (at < 0)
			return false;
		rest = slice_sub(rest, (size_t)at + mark.n, rest.n);
	} while (!skip(&rest, sender) || !skip(&rest, S(">")));
	smtp_reply_read(slice_sub(line, 0, line.n - rest.n - sender.n - mark.n - 1), &ret->reply);
	end = skip(&rest, S(" to=<")) ? slice_search(rest, S("> proto=")) : -1;
	ret->rcpt = slice_sub(rest, 0, end < 0 ? 0 : (size_t)end);
	return true;
}

/* "reject: RCPT from name[address]: ..." */
static enum postfix_log_kind read_reject(struct slice line, struct slice daemon,
					 struct slice sender, struct postfix_log_line *ret)
{
	bool cleanup = slice_eq(daemon, S("cleanup"));
	struct slice client;
	bool rcpt;

	skip(&line, S("milter-"));
	if (!skip(&line, S("reject: ")))
		return POSTFIX_LOG_OTHER;
	rcpt = slice_starts(line, S("RCPT from ")) && !cleanup;
	if (!cleanup && !cut_word(&line, &client))
		return POSTFIX_LOG_OTHER;
	if (!read_refusal(line, sender, ret))
		return POSTFIX_LOG_OTHER;
	return rcpt ? POSTFIX_LOG_RCPT_REFUSED : POSTFIX_LOG_MAIL_REFUSED;
}

enum postfix_log_kind postfix_log_read(struct slice line, struct slice sender,
				       struct postfix_log_line *ret)
{
	struct slice daemon;

	*ret = (struct postfix_log_line){ 0 };
	if (!cut_daemon(&line, &daemon) || !cut_word(&line, &ret->queue_id) || !ret->queue_id.n ||
	    !slice_only(ret->queue_id, ""))
		return POSTFIX_LOG_OTHER;
	if (slice_eq(daemon, S("qmgr")))
		return read_qmgr(line, sender);
	if (slice_eq(daemon, S("smtpd")) || slice_eq(daemon, S("cleanup")))
		return read_reject(line, daemon, sender, ret);
	return POSTFIX_LOG_OTHER;
}
