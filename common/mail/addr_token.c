/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lexer of address lists. It must never search the same bytes for a
 * closing bracket twice: what is never closed is an ordinary character.
 */
#include "common/mail/addr_token.h"

#include "common/mail/addr.h"

static bool is_special(unsigned char c)
{
	return c < ' ' || c == 0x7f || strchr("()<>[]:;@\\,.\"", c);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of a string that ends with `close`, backslash escaping; 0 when it is open. */
static size_t quoted_len(struct slice s, char close)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == close)
			return i + 1;
	}
	return 0;
}

static size_t comment_len(struct addr_lexer *l, struct slice s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\') {
			i++;
		} else if (s.p[i] == '(') {
			depth++;
			l->limited |= depth > ADDR_COMMENT_DEPTH_MAX;
		} else if (s.p[i] == ')' && --depth == 0) {
			return i + 1;
		}
	}
	return 0;
}

bool addr_looks_like_address(struct slice comment)
{
	return slice_find(comment, '@') >= 0 || slice_find(comment, '<') >= 0;
}

/* Skips white space and comments; true when there were any. */
static bool skip_gap(struct addr_lexer *l)
{
	size_t from = l->at;

	while (l->at < l->in.n) {
		struct slice rest = slice_sub(l->in, l->at, l->in.n);
		size_t n = is_space(rest.p[0]) ? 1 : 0;

		if (rest.p[0] == '(' && !l->plain_comment) {
			n = comment_len(l, rest);
			l->comment = slice_sub(rest, 0, n);
			l->plain_comment = n == 0;
			l->odd |= n == 0 || addr_looks_like_address(l->comment);
		}
		if (n == 0)
			break;
		l->at += n;
	}
	return l->at > from;
}

size_t addr_atom_len(struct slice s)
{
	size_t n = 0;

	while (n < s.n && !is_special((unsigned char)s.p[n]) && s.p[n] != ' ')
		n++;
	return n;
}

static size_t bracketed_len(struct addr_lexer *l, struct slice rest, char close, bool *plain)
{
	size_t n = *plain ? 0 : quoted_len(rest, close);

	*plain = n == 0;
	l->odd |= *plain;
	return n;
}

struct token addr_next_token(struct addr_lexer *l)
{
	struct token t = { .gap = skip_gap(l) };
	struct slice rest = slice_sub(l->in, l->at, l->in.n);
	size_t n;

	if (rest.n == 0)
		return t;
	t.type = T_SPECIAL;
	t.c = rest.p[0];
	n = addr_atom_len(rest);
	if (n)
		t.type = T_ATOM;
	else if (t.c == '"' && (n = bracketed_len(l, rest, '"', &l->plain_quote)) > 0)
		t.type = T_QUOTED;
	else if (t.c == '[' && (n = bracketed_len(l, rest, ']', &l->plain_literal)) > 0)
		t.type = T_LITERAL;
	else
		n = 1;
	t.text = slice_sub(rest, 0, n);
	l->at += n;
	return t;
}
