/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads address lists (RFC 5322 3.4 with the obsolete forms of 4.4) in one
 * pass over the text, without recursion. A malformed element costs that
 * element only; whatever had to be tolerated leaves a mark in the list.
 */
#include "common/mail/addr.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr_token.h"

enum spec_state { WANT_LOCAL, AFTER_LOCAL, WANT_DOMAIN, AFTER_DOMAIN, BROKEN };

/* An addr-spec as it is put together from tokens. */
struct spec {
	enum spec_state state;
	struct buf local, domain;
	bool odd;
};

struct reader {
	struct addr_lexer lex;
	struct token tok;
	struct spec spec;
	struct arena *a;
	struct addr_list *list;
	size_t cap;
	bool in_group;
};

static void spec_reset(struct spec *s)
{
	s->state = WANT_LOCAL;
	s->odd = false;
	buf_reset(&s->local);
	buf_reset(&s->domain);
}

/* Appends a quoted string without its quotes and backslashes. */
static void add_unquoted(struct buf *b, struct slice quoted)
{
	for (size_t i = 1; i + 1 < quoted.n; i++) {
		if (quoted.p[i] == '\\')
			i++;
		else if (quoted.p[i] == '\r' || quoted.p[i] == '\n')
			continue;
		buf_add_char(b, quoted.p[i]);
	}
}

static enum spec_state feed_local(struct spec *s, const struct token *t)
{
	bool word = t->type == T_ATOM || t->type == T_QUOTED;

	if (t->type == T_SPECIAL && t->c == '@' && s->local.len)
		return WANT_DOMAIN;
	if (word && s->state == WANT_LOCAL) {
		/* Who decodes first and reads then sees another local part. */
		s->odd |= slice_search(t->text, S("=?")) >= 0;
		if (t->type == T_QUOTED)
			add_unquoted(&s->local, t->text);
		else
			buf_add_slice(&s->local, t->text);
		return AFTER_LOCAL;
	}
	if (t->type == T_SPECIAL && t->c == '.') {
		s->odd |= s->state == WANT_LOCAL; /* a dot without a word before it */
		buf_add_char(&s->local, '.');
		return WANT_LOCAL;
	}
	return BROKEN;
}

static enum spec_state feed_domain(struct spec *s, const struct token *t)
{
	bool dot = t->type == T_SPECIAL && t->c == '.';
	bool want = s->state == WANT_DOMAIN;

	if (want ? t->type != T_ATOM && !(t->type == T_LITERAL && !s->domain.len) : !dot)
		return BROKEN;
	buf_add_slice(&s->domain, t->text);
	return want ? AFTER_DOMAIN : WANT_DOMAIN;
}

static void spec_feed(struct spec *s, const struct token *t)
{
	s->odd |= t->gap && s->local.len > 0;
	if (s->state == WANT_LOCAL || s->state == AFTER_LOCAL) {
		enum spec_state next = feed_local(s, t);

		s->odd |= next == WANT_DOMAIN && s->state == WANT_LOCAL; /* a dot before the '@' */
		s->state = next;
	} else if (s->state != BROKEN) {
		s->state = feed_domain(s, t);
	}
}

/* dot-atom-text, UTF-8 allowed (RFC 6532). */
static bool is_dot_atom(struct slice local)
{
	struct slice part;

	while (slice_cut(&local, '.', &part))
		if (part.n == 0 || addr_atom_len(part) != part.n)
			return false;
	return true;
}

/* The text form; false when it is no usable address. */
static bool spec_text(struct spec *s, struct arena *a, struct addr *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(ADDR_MAX);
	struct slice local = buf_slice(&s->local), domain = buf_slice(&s->domain);
	bool plain = is_dot_atom(local);

	/* A trailing dot names the root; it is kept as written. */
	s->odd |= s->state == WANT_DOMAIN;
	if ((s->state != AFTER_DOMAIN && s->state != WANT_DOMAIN) || !domain.n || !local.n ||
	    buf_failed(&s->local) || buf_failed(&s->domain) || slice_has_ctl(local) ||
	    slice_has_ctl(domain) || !utf8_valid(local) || !utf8_valid(domain))
		return false;
	for (size_t i = 0; i < local.n; i++) {
		if (!plain && i == 0)
			buf_add_char(&text, '"');
		if (!plain && (local.p[i] == '"' || local.p[i] == '\\'))
			buf_add_char(&text, '\\');
		buf_add_char(&text, local.p[i]);
	}
	buf_add_str(&text, plain ? "@" : "\"@");
	buf_add_slice(&text, domain);
	if (buf_failed(&text))
		return false;
	ret->local = arena_slice(a, local);
	ret->domain = arena_slice(a, domain);
	ret->spec = arena_slice(a, buf_slice(&text));
	return true;
}

static void advance(struct reader *r)
{
	r->tok = addr_next_token(&r->lex);
}

static bool at_special(const struct reader *r, char c)
{
	return r->tok.type == T_SPECIAL && r->tok.c == c;
}

static bool at_element_end(const struct reader *r)
{
	return r->tok.type == T_END || at_special(r, ',') || at_special(r, ';');
}

static void add_mailbox(struct reader *r, struct slice name)
{
	struct addr_list *list = r->list;
	struct addr addr = { .name = name };

	if (!spec_text(&r->spec, r->a, &addr)) {
		list->bad = true;
		return;
	}
	list->odd |= r->spec.odd;
	if (list->n == r->cap) {
		struct addr *v = arena_calloc(r->a, r->cap = r->cap ? 2 * r->cap : 4, sizeof(*v));

		if (list->n)
			memcpy(v, list->v, list->n * sizeof(*v));
		list->v = v;
	}
	list->v[list->n++] = addr;
}

/* "@one,@two:" before the address in angle brackets: read over, never honoured (obs-route). */
static void skip_route(struct reader *r)
{
	r->list->odd = true;
	while (r->tok.type != T_END && !at_special(r, '>') && !at_special(r, ':'))
		advance(r);
	if (at_special(r, ':'))
		advance(r);
}

/* From behind '<' to the end of the element. */
static void read_angle(struct reader *r, struct slice name)
{
	spec_reset(&r->spec);
	if (at_special(r, '@'))
		skip_route(r);
	while (!at_element_end(r) && !at_special(r, '>')) {
		spec_feed(&r->spec, &r->tok);
		advance(r);
	}
	add_mailbox(r, name);
	if (at_special(r, '>'))
		advance(r);
	else
		r->list->odd = true;
	while (!at_element_end(r)) {
		r->list->odd = true;
		advance(r);
	}
}

/* The oldest way to give a name: alice@example.com (Alice). */
static struct slice comment_name(const struct reader *r)
{
	return slice_trim(slice_sub(r->lex.comment, 1, r->lex.comment.n - 1));
}

/* What a display name may hold unquoted without leading anybody astray. */
static bool is_harmless(const struct token *t)
{
	if (t->type == T_LITERAL)
		return !addr_looks_like_address(t->text);
	return t->type != T_SPECIAL || t->c == '.';
}

/* One element of the list; leaves at ',', ';' or the end. False for the head of a group. */
static bool read_element(struct reader *r)
{
	const char *from = r->tok.text.p;
	bool odd = false;

	r->lex.comment = slice_of(NULL, 0);
	spec_reset(&r->spec);
	while (!at_element_end(r)) {
		if (at_special(r, '<')) {
			struct slice name = slice_of(from, (size_t)(r->tok.text.p - from));

			r->list->odd |= odd;
			advance(r);
			read_angle(r, slice_trim(name));
			return true;
		}
		if (at_special(r, ':') && !r->in_group) {
			r->list->group = r->in_group = true;
			advance(r);
			return false;
		}
		odd |= !is_harmless(&r->tok);
		spec_feed(&r->spec, &r->tok);
		advance(r);
	}
	add_mailbox(r, r->lex.comment.n ? comment_name(r) : slice_of(NULL, 0));
	return true;
}

static void read_separator(struct reader *r)
{
	if (r->tok.c == ';') {
		r->list->odd |= !r->in_group;
		r->in_group = false;
	}
	advance(r);
}

static void read_list(struct reader *r)
{
	size_t elements = 0, commas = 0;

	advance(r);
	while (r->tok.type != T_END) {
		if (at_element_end(r)) {
			commas += r->tok.c == ',';
			read_separator(r);
		} else if (r->list->n == ADDR_LIST_MAX) {
			r->list->limited = true;
			break;
		} else {
			elements += read_element(r);
		}
	}
	r->list->odd |= commas > 0 && commas >= elements; /* empty elements (obs-addr-list) */
}

void addr_parse_list(struct slice value, struct arena *a, struct addr_list *ret)
{
	struct reader r = {
		.lex = { .in = value },
		.spec = { .local = BUF_INIT(ADDR_MAX), .domain = BUF_INIT(ADDR_MAX) },
		.a = a,
		.list = ret,
	};

	*ret = (struct addr_list){ 0 };
	read_list(&r);
	ret->odd |= r.lex.odd;
	ret->limited |= r.lex.limited;
	buf_release(&r.spec.local);
	buf_release(&r.spec.domain);
}
