/* SPDX-License-Identifier: Apache-2.0 */
/* Macros. The length of what they make is bounded by the ceilings of the buffers. */
#include "milter/spf_macro.h"

#include "common/base/mem.h"

#include <arpa/inet.h>

enum { MACROS_MAX = 16, DIGITS_MAX = 128, PARTS_MAX = 128, IP_TEXT_MAX = 45, EXPANDED_MAX = 4096 };

struct macro {
	char letter; /* lower case */
	bool escape; /* the letter was upper case */
	size_t keep; /* rightmost parts; 0: all */
	bool reverse;
	struct slice delimiters;
	size_t len; /* of "{...}" */
};

enum err spf_client_parse(struct slice text, struct spf_client *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char buf[IP_TEXT_MAX + 1];
	struct spf_client c = { 0 };

	if (text.n == 0 || text.n > IP_TEXT_MAX)
		return ERR_INPUT;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	if (inet_pton(AF_INET, buf, c.ip) != 1) {
		if (inet_pton(AF_INET6, buf, c.ip) != 1)
			return ERR_INPUT;
		c.v6 = memcmp(c.ip, mapped, sizeof(mapped)) != 0;
		if (!c.v6) {
			memmove(c.ip, c.ip + sizeof(mapped), 4);
			memset(c.ip + 4, 0, 12);
		}
	}
	*ret = c;
	return OK;
}

struct slice spf_client_text(const struct spf_client *client, struct arena *a)
{
	char *text = arena_alloc(a, INET6_ADDRSTRLEN);

	inet_ntop(client->v6 ? AF_INET6 : AF_INET, client->ip, text, INET6_ADDRSTRLEN);
	return slice_str(text);
}

static bool has(const char *set, char c)
{
	return c != '\0' && strchr(set, c);
}

/* "{" macro-letter transformers *delimiter "}" */
static enum err read_macro(struct slice s, bool explanation, struct macro *ret)
{
	const char *letters = explanation ? "slodiphvcrt" : "slodiphv";
	struct macro m = { 0 };
	size_t i = 2, start = 2;
	uint64_t keep = 0;

	if (s.n < 3 || s.p[0] != '{')
		return ERR_INPUT;
	m.escape = s.p[1] >= 'A' && s.p[1] <= 'Z';
	m.letter = m.escape ? (char)(s.p[1] + ('a' - 'A')) : s.p[1];
	if (!has(letters, m.letter))
		return ERR_INPUT;
	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	if (i > start && (slice_to_u64(slice_sub(s, start, i), DIGITS_MAX, &keep) || keep == 0))
		return ERR_INPUT;
	m.keep = (size_t)keep;
	m.reverse = i < s.n && has("rR", s.p[i]);
	i += m.reverse;
	start = i;
	while (i < s.n && has(".-+,/_=", s.p[i]))
		i++;
	if (i == s.n || s.p[i] != '}')
		return ERR_INPUT;
	m.delimiters = i > start ? slice_sub(s, start, i) : S(".");
	m.len = i + 1;
	*ret = m;
	return OK;
}

enum err spf_macro_check(struct slice s, bool explanation, size_t *ret_slash)
{
	size_t macros = 0, slash = s.n;
	struct macro m;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '/' && slash == s.n)
			slash = i;
		if (s.p[i] != '%')
			continue;
		if (i + 1 < s.n && has("%_-", s.p[i + 1])) {
			i++;
			continue;
		}
		if (++macros > MACROS_MAX ||
		    read_macro(slice_sub(s, i + 1, s.n), explanation, &m) != OK)
			return ERR_INPUT;
		i += m.len;
	}
	*ret_slash = slash;
	return OK;
}

/* %{i}: dotted quad, or 32 dotted nibbles. */
static void add_ip(const struct spf_client *c, struct buf *b)
{
	for (size_t i = 0; i < (c->v6 ? 16U : 4U); i++) {
		if (i > 0)
			buf_add_char(b, '.');
		if (c->v6)
			buf_addf(b, "%x.%x", (unsigned)c->ip[i] >> 4, (unsigned)c->ip[i] & 15);
		else
			buf_addf(b, "%u", (unsigned)c->ip[i]);
	}
}

static void add_value(char letter, const struct spf_context *ctx, struct buf *b)
{
	switch (letter) {
	case 's':
		buf_add_slice(b, ctx->local);
		buf_add_char(b, '@');
		buf_add_slice(b, ctx->sender_domain);
		break;
	case 'l':
		buf_add_slice(b, ctx->local);
		break;
	case 'o':
		buf_add_slice(b, ctx->sender_domain);
		break;
	case 'd':
		buf_add_slice(b, ctx->domain);
		break;
	case 'i':
		add_ip(&ctx->client, b);
		break;
	case 'v':
		buf_add_str(b, ctx->client.v6 ? "ip6" : "in-addr");
		break;
	case 'h':
		buf_add_slice(b, ctx->helo);
		break;
	default:
		buf_add_str(b, "unknown");
	}
}

/* Bytes of a value: unreserved ones stand for themselves (RFC 3986 2.3). */
static void add_part(struct buf *b, struct slice part, bool escape)
{
	for (size_t i = 0; i < part.n; i++) {
		unsigned char c = (unsigned char)part.p[i];
		bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				  (c >= '0' && c <= '9') || has("-._~", (char)c);

		if (escape && !unreserved)
			buf_addf(b, "%%%02X", (unsigned)c);
		else
			buf_add_char(b, (char)c);
	}
}

static size_t split(struct slice s, struct slice delimiters, struct slice parts[PARTS_MAX])
{
	size_t n = 0, start = 0;

	for (size_t i = 0; i <= s.n && n < PARTS_MAX; i++) {
		if (i < s.n && slice_find(delimiters, s.p[i]) < 0)
			continue;
		parts[n++] = slice_sub(s, start, i);
		start = i + 1;
	}
	return n;
}

static void expand_macro(const struct macro *m, const struct spf_context *ctx, struct buf *ret)
{
	AUTO(buf_release) struct buf value = BUF_INIT(EXPANDED_MAX);
	struct slice parts[PARTS_MAX];
	size_t n, from;

	add_value(m->letter, ctx, &value);
	n = split(buf_slice(&value), m->delimiters, parts);
	from = m->keep > 0 && m->keep < n ? n - m->keep : 0;
	for (size_t i = from; i < n; i++) {
		if (i > from)
			buf_add_char(ret, '.');
		add_part(ret, parts[m->reverse ? n - 1 - i : i], m->escape);
	}
}

static void add_domain(struct slice name, struct buf *ret)
{
	while (name.n > SPF_DOMAIN_MAX) {
		ptrdiff_t dot = slice_find(name, '.');

		name = slice_sub(name, dot < 0 ? name.n : (size_t)dot + 1, name.n);
	}
	buf_add_slice(ret, name);
}

void spf_macro_expand(struct slice s, const struct spf_context *ctx, struct buf *ret)
{
	AUTO(buf_release) struct buf name = BUF_INIT(EXPANDED_MAX);
	struct macro m;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%' || i + 1 == s.n) {
			buf_add_char(&name, s.p[i]);
		} else if (read_macro(slice_sub(s, i + 1, s.n), true, &m) == OK) {
			expand_macro(&m, ctx, &name);
			i += m.len;
		} else {
			/* "%%", "%_", "%-": no host name has what they stand for. */
			buf_add_char(&name, '?');
			i++;
		}
	}
	if (buf_failed(&name))
		ret->overflow = true;
	else
		add_domain(buf_slice(&name), ret);
}
