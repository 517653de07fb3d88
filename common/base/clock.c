/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and their texts, in UTC whatever the process's time zone. */
#include "common/base/clock.h"

#include <stdio.h>
#include <time.h>

enum { US_PER_S = 1000000 };

int64_t clock_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The years that RFC 3339 and Postgres can both write: 0001 to 9999. */
static int64_t clamp(int64_t t_us)
{
	const int64_t first = -62135596800LL * US_PER_S, last = 253402300800LL * US_PER_S - 1;

	return t_us < first ? first : t_us > last ? last : t_us;
}

/* The part below a second, counted forward also before 1970. */
static int64_t fraction_of(int64_t t_us)
{
	return (t_us % US_PER_S + US_PER_S) % US_PER_S;
}

/* Digits and what stands behind them. By hand: lists have many times, and strftime() is slow. */
static size_t put_number(int v, size_t width, char behind, char *ret)
{
	ret[width] = behind;
	for (size_t i = width; i-- > 0; v /= 10)
		ret[i] = (char)('0' + v % 10);
	return width + 1;
}

static size_t put_seconds(int64_t t_us, char ret[CLOCK_TEXT_MAX])
{
	time_t s = (time_t)((t_us - fraction_of(t_us)) / US_PER_S);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = put_number(tm.tm_year + 1900, 4, '-', ret);
	n += put_number(tm.tm_mon + 1, 2, '-', ret + n);
	n += put_number(tm.tm_mday, 2, 'T', ret + n);
	n += put_number(tm.tm_hour, 2, ':', ret + n);
	n += put_number(tm.tm_min, 2, ':', ret + n);
	return n + put_number(tm.tm_sec, 2, '\0', ret + n) - 1;
}

void clock_rfc3339_us(int64_t t_us, char ret[CLOCK_TEXT_MAX])
{
	size_t n = put_seconds(clamp(t_us), ret);
	int us = (int)fraction_of(clamp(t_us));

	if (us) {
		ret[n++] = '.';
		n += put_number(us, 6, '\0', ret + n) - 1;
		while (ret[n - 1] == '0')
			n--;
	}
	ret[n] = 'Z';
	ret[n + 1] = '\0';
}

void clock_rfc3339_s(int64_t t_us, char ret[CLOCK_TEXT_MAX])
{
	size_t n = put_seconds(clamp(t_us), ret);

	ret[n] = 'Z';
	ret[n + 1] = '\0';
}

void clock_rfc1123(int64_t t_us, char ret[CLOCK_TEXT_MAX])
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t us = clamp(t_us);
	time_t s = (time_t)((us - fraction_of(us)) / US_PER_S);
	struct tm tm;

	gmtime_r(&s, &tm);
	snprintf(ret, CLOCK_TEXT_MAX, "%s, %02d %s %04d %02d:%02d:%02d UTC", days[tm.tm_wday],
		 tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		 tm.tm_sec);
}

/* `width` digits and the byte behind them (0: none). */
static enum err take_number(struct slice *s, size_t width, char behind, int *ret)
{
	uint64_t v;

	if (s->n < width || slice_to_u64(slice_sub(*s, 0, width), 9999, &v))
		return ERR_INPUT;
	*s = slice_sub(*s, width, s->n);
	if (behind) {
		if (s->n == 0 || s->p[0] != behind)
			return ERR_INPUT;
		*s = slice_sub(*s, 1, s->n);
	}
	*ret = (int)v;
	return OK;
}

static enum err take_fraction(struct slice *s, int *ret_us)
{
	int us = 0, scale = 100000, digits = 0;

	*ret_us = 0;
	if (s->n == 0 || s->p[0] != '.')
		return OK;
	*s = slice_sub(*s, 1, s->n);
	for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; digits++) {
		us += (s->p[0] - '0') * scale;
		scale /= 10;
		*s = slice_sub(*s, 1, s->n);
	}
	*ret_us = us;
	return digits >= 1 && digits <= 9 ? OK : ERR_INPUT;
}

static enum err take_zone(struct slice s, int *ret_offset_s)
{
	int hours, minutes, sign;

	if (slice_eq(s, S("Z")) || slice_eq(s, S("z"))) {
		*ret_offset_s = 0;
		return OK;
	}
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-'))
		return ERR_INPUT;
	sign = s.p[0] == '-' ? -1 : 1;
	s = slice_sub(s, 1, s.n);
	if (take_number(&s, 2, ':', &hours) || take_number(&s, 2, 0, &minutes) || hours > 23 ||
	    minutes > 59)
		return ERR_INPUT;
	*ret_offset_s = sign * (hours * 3600 + minutes * 60);
	return OK;
}

enum err clock_parse_rfc3339(struct slice s, int64_t *ret_us)
{
	struct tm tm = { 0 };
	int us, offset, day, second;
	time_t minute;

	if (take_number(&s, 4, '-', &tm.tm_year) || take_number(&s, 2, '-', &tm.tm_mon) ||
	    take_number(&s, 2, 0, &day) || s.n == 0 || (s.p[0] | 0x20) != 't')
		return ERR_INPUT;
	s = slice_sub(s, 1, s.n);
	if (take_number(&s, 2, ':', &tm.tm_hour) || take_number(&s, 2, ':', &tm.tm_min) ||
	    take_number(&s, 2, 0, &second) || take_fraction(&s, &us) || take_zone(s, &offset))
		return ERR_INPUT;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_hour > 23 || tm.tm_min > 59 || second > 60)
		return ERR_INPUT;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	tm.tm_mday = day;
	minute = timegm(&tm);
	if (tm.tm_mday != day) /* timegm() made 1 March of 29 February */
		return ERR_INPUT;
	*ret_us = ((int64_t)minute + second - offset) * US_PER_S + us;
	return OK;
}
