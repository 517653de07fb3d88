/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recognises header fields that claim to come from us, in any spelling. It
 * errs on the side of yes: a wrong yes costs a stranger's header field, a
 * wrong no lets a forgery through.
 */
#include "common/mail/header.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/mail/addr.h"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct slice skip_separators(struct slice s)
{
	size_t i = 0;

	while (i < s.n && !is_alnum(s.p[i]))
		i++;
	return slice_sub(s, i, s.n);
}

bool header_is_private(struct slice name)
{
	struct slice rest = skip_separators(name), at;

	if (!slice_istarts(rest, S("x")))
		return false;
	at = slice_sub(rest, 1, rest.n);
	rest = skip_separators(at);
	if (rest.n == at.n || !slice_istarts(rest, S("e2a")))
		return false;
	return rest.n == 3 || !is_alnum(rest.p[3]);
}

enum reading {
	STRICT,
	JOINED,       /* white space may surround a dot (obs-domain) */
	JOINED_ASCII, /* other bytes are not there, as if they were invisible */
	READINGS,
};

/* Reads a value as words and gaps; comments and white space are gaps (RFC 5322 3.2.2). */
struct words {
	struct slice in;
	size_t at;
	struct buf *out;
	bool gap;
	enum reading reading;
};

static void add_char(struct words *w, char c)
{
	bool at_dot = w->out->len && (c == '.' || w->out->p[w->out->len - 1] == '.');

	if (w->gap && w->out->len && !(w->reading != STRICT && at_dot))
		buf_add_char(w->out, ' ');
	w->gap = false;
	buf_add_char(w->out, c);
}

static void skip_comment(struct words *w)
{
	size_t depth = 0;

	for (; w->at < w->in.n; w->at++) {
		char c = w->in.p[w->at];

		if (c == '\\')
			w->at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
}

static void add_quoted(struct words *w)
{
	for (w->at++; w->at < w->in.n && w->in.p[w->at] != '"'; w->at++) {
		if (w->in.p[w->at] == '\\' && w->at + 1 < w->in.n)
			w->at++;
		add_char(w, w->in.p[w->at]);
	}
}

/* Control characters count too: many programs trim some of them. */
static bool is_gap(unsigned char c)
{
	return c <= ' ' || c == 0x7f;
}

/* The text before the first ';': one space per gap, strings unquoted, comments dropped. */
static void read_words(struct words *w)
{
	for (; w->at < w->in.n && w->in.p[w->at] != ';'; w->at++) {
		char c = w->in.p[w->at];

		if (c == '(')
			skip_comment(w);
		else if (c == '"')
			add_quoted(w);
		else if (is_gap((unsigned char)c))
			w->gap = true;
		else if (w->reading != JOINED_ASCII || (unsigned char)c < 0x80)
			add_char(w, c);
	}
}

static struct slice without_dot(struct slice s)
{
	while (slice_ends(s, S(".")))
		s.n--;
	return s;
}

static bool same_host(struct slice a, struct slice b)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	struct slice x, y;

	a = without_dot(a);
	b = without_dot(b);
	if (slice_ieq(a, b))
		return true;
	return addr_domain(a, &arena, &x) == OK && addr_domain(b, &arena, &y) == OK &&
	       slice_eq(x, y);
}

static bool names_id(struct slice value, struct slice authserv_id, enum reading reading)
{
	AUTO(buf_release) struct buf text = BUF_INIT(HEADER_BYTES_MAX);
	struct words w = { .in = value, .out = &text, .reading = reading };
	size_t n = 0;

	read_words(&w);
	if (slice_search(buf_slice(&text), S("=?")) >= 0)
		return true;
	while (n < text.len && !strchr(" /=", text.p[n]))
		n++;
	return same_host(slice_sub(buf_slice(&text), 0, n), authserv_id);
}

/* What follows "host. " is the rest of an obsolete domain to one reader, a version to another. */
bool header_has_authserv_id(struct slice value, struct slice authserv_id)
{
	for (enum reading r = STRICT; r < READINGS; r++)
		if (names_id(value, authserv_id, r))
			return true;
	return false;
}

bool header_is_forgery(const struct header_field *f, struct slice authserv_id)
{
	return header_is_private(f->name) || (slice_ieq(slice_trim(f->name), S(AUTHRES_HEADER)) &&
					      header_has_authserv_id(f->value, authserv_id));
}
