/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes. Nothing here allocates, and nothing reads past the length. */
#include "common/base/slice.h"

struct slice slice_of(const char *p, size_t n)
{
	return (struct slice){ p, n };
}

struct slice slice_str(const char *s)
{
	return s ? (struct slice){ s, strlen(s) } : (struct slice){ NULL, 0 };
}

struct slice slice_sub(struct slice s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return s.p ? slice_of(s.p + from, to - from) : s;
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool slice_ieq(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_istarts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_ieq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && slice_eq(slice_sub(s, s.n - suffix.n, s.n), suffix);
}

bool slice_iends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && slice_ieq(slice_sub(s, s.n - suffix.n, s.n), suffix);
}

ptrdiff_t slice_find(struct slice s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t slice_rfind(struct slice s, char c)
{
	const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t slice_search(struct slice s, struct slice needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return at ? at - s.p : -1;
}

bool slice_has_ctl(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool slice_only(struct slice s, const char *others)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && (s.p[i] == '\0' || !strchr(others, s.p[i])))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool slice_cut(struct slice *rest, char sep, struct slice *ret_head)
{
	ptrdiff_t at;

	if (!rest->p)
		return false;
	at = slice_find(*rest, sep);
	if (at < 0) {
		*ret_head = *rest;
		*rest = (struct slice){ NULL, 0 };
	} else {
		*ret_head = slice_sub(*rest, 0, (size_t)at);
		*rest = slice_sub(*rest, (size_t)at + 1, rest->n);
	}
	return true;
}

enum err slice_to_u64(struct slice s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0)
		return ERR_INPUT;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return ERR_INPUT;
		v = v * 10 + digit;
	}
	if (v > max)
		return ERR_INPUT;
	*ret = v;
	return OK;
}

enum err slice_to_i64(struct slice s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	uint64_t most = (uint64_t)INT64_MAX + negative, magnitude;
	int64_t v;

	if (slice_to_u64(slice_sub(s, negative, s.n), most, &magnitude))
		return ERR_INPUT;
	/* Negated without sign, because INT64_MIN has no positive twin. */
	v = (int64_t)(negative ? 0 - magnitude : magnitude);
	if (v < min || v > max)
		return ERR_INPUT;
	*ret = v;
	return OK;
}
