/* SPDX-License-Identifier: Apache-2.0 */
/* Finds codes, and tells them from the other numbers that answers are full of. */
#include "common/mail/bounce_status.h"

#include "common/base/mem.h"

enum { STATUS_DIGITS_MAX = 3 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return slice_only(slice_of(&c, 1), "");
}

static size_t digits(struct slice s)
{
	size_t n = 0;

	while (n < s.n && is_digit(s.p[n]))
		n++;
	return n;
}

/* ".123" at the start of s; its length, or 0. */
static size_t dot_number(struct slice s)
{
	size_t n = s.n && s.p[0] == '.' ? digits(slice_sub(s, 1, s.n)) : 0;

	return n && n <= STATUS_DIGITS_MAX ? n + 1 : 0;
}

struct slice bounce_status_at(struct slice s)
{
	struct slice rest = slice_sub(s, 1, s.n);
	size_t subject, detail;

	if (s.n == 0 || !strchr("245", s.p[0]) || s.p[0] == '\0')
		return S("");
	subject = dot_number(rest);
	detail = subject ? dot_number(slice_sub(rest, subject, rest.n)) : 0;
	rest = slice_sub(rest, subject + detail, rest.n);
	/* Four numbers are an IP address, numbers and letters a host. */
	if (!detail || (rest.n && is_alnum(rest.p[0])) ||
	    (rest.n > 1 && rest.p[0] == '.' && is_alnum(rest.p[1])))
		return S("");
	return slice_sub(s, 0, 1 + subject + detail);
}

/* A code may follow anything but what makes it a part of a longer word or number. */
static bool may_begin(struct slice text, size_t at)
{
	return at == 0 || !(is_alnum(text.p[at - 1]) || text.p[at - 1] == '.');
}

struct slice bounce_status_in(struct slice text, char class)
{
	for (size_t i = 0; i < text.n; i++) {
		struct slice s;

		if (text.p[i] != class || !may_begin(text, i))
			continue;
		s = bounce_status_at(slice_sub(text, i, text.n));
		/* Subjects go to 7; Exim 4.96.2 is a program. */
		if (s.n && s.p[2] <= '7' && s.p[3] == '.')
			return s;
	}
	return S("");
}

/* The code is three digits between blanks, or followed by the '-' of an answer of several lines. */
static struct slice code_in(struct slice text, char class)
{
	for (size_t i = 0; i + 3 <= text.n; i++) {
		struct slice rest = slice_sub(text, i + 3, text.n);

		if (text.p[i] == class && text.p[i + 1] >= '0' && text.p[i + 1] <= '5' &&
		    is_digit(text.p[i + 2]) && (i == 0 || strchr(" \t:;(<[\"'#>", text.p[i - 1])) &&
		    (rest.n == 0 || strchr(" \t-", rest.p[0])))
			return slice_sub(text, i, i + 3);
	}
	return S("");
}

bool bounce_has_code(struct slice text, char class)
{
	return code_in(text, class).n > 0;
}

static struct slice lowered(struct slice s, struct arena *a)
{
	char *out = arena_dup(a, s);

	for (size_t i = 0; i < s.n; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] | 0x20);
	return slice_of(out, s.n);
}

bool bounce_has_phrase(struct slice text, const char *const *phrases, size_t n, struct arena *a)
{
	struct slice low = lowered(text, a);

	for (size_t i = 0; i < n; i++)
		if (slice_search(low, slice_str(phrases[i])) >= 0)
			return true;
	return false;
}

/*
 * Failures that are not the address's fault, in the words of those who give no code: they
 * must not put it on a suppression list. Everything else stays undefined.
 */
static const struct {
	const char *phrase; /* lower case */
	struct slice status;
} words[] = {
	{ "quota", SLICE_INIT("5.2.2") },
	{ "mailbox full", SLICE_INIT("5.2.2") },
	{ "mailbox is full", SLICE_INIT("5.2.2") },
	{ "too large", SLICE_INIT("5.3.4") },
	{ "too big", SLICE_INIT("5.3.4") },
	{ "too many hops", SLICE_INIT("5.4.6") },
	{ "greylist", SLICE_INIT("4.7.1") },
	{ "graylist", SLICE_INIT("4.7.1") },
	{ "rate limit", SLICE_INIT("4.7.1") },
	{ "rate-limit", SLICE_INIT("4.7.1") },
	{ "ratelimit", SLICE_INIT("4.7.1") },
	{ "throttl", SLICE_INIT("4.7.1") },
	{ "too many", SLICE_INIT("4.7.1") },
	{ "spam", SLICE_INIT("5.7.1") },
	{ "virus", SLICE_INIT("5.7.1") },
	{ "policy", SLICE_INIT("5.7.1") },
	{ "policies", SLICE_INIT("5.7.1") },
	{ "blocked", SLICE_INIT("5.7.1") },
	{ "blacklist", SLICE_INIT("5.7.1") },
	{ "blocklist", SLICE_INIT("5.7.1") },
	{ "reputation", SLICE_INIT("5.7.1") },
	{ "spf", SLICE_INIT("5.7.1") },
	{ "dkim", SLICE_INIT("5.7.1") },
	{ "dmarc", SLICE_INIT("5.7.1") },
	{ "authenticat", SLICE_INIT("5.7.1") },
	{ "access denied", SLICE_INIT("5.7.1") },
	{ "sender verif", SLICE_INIT("5.7.1") },
	{ "verify sender", SLICE_INIT("5.7.1") },
	{ "sender rejected", SLICE_INIT("5.7.1") },
	{ "sender address rejected", SLICE_INIT("5.7.1") },
	/* Not the host that is called so. */
	{ "relay ", SLICE_INIT("5.7.1") },
	{ "relaying", SLICE_INIT("5.7.1") },
	{ "to relay", SLICE_INIT("5.7.1") },
	{ "not relay", SLICE_INIT("5.7.1") },
	{ "timed out", SLICE_INIT("4.4.7") },
	{ "timeout exceeded", SLICE_INIT("4.4.7") },
	{ "retry time not reached", SLICE_INIT("4.4.7") },
	{ "in the queue too long", SLICE_INIT("4.4.7") },
	{ "connection refused", SLICE_INIT("4.4.1") },
};

struct slice bounce_status_guess(struct slice text, struct arena *a)
{
	struct slice low = lowered(text, a);

	if (slice_eq(code_in(text, '5'), S("552")))
		return S("5.2.2"); /* RFC 5321 4.2.3: exceeded storage allocation */
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_search(low, slice_str(words[i].phrase)) >= 0)
			return words[i].status;
	return S("");
}
