/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of tags, not of documents: it knows no nesting, so none can exhaust it. It must never
 * open anything that the HTML names.
 */
#include "cli/html_text.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"

enum {
	ENTITY_MAX = 12, /* bytes between & and ; */
	NAME_MAX_BYTES = 12,
	URL_MAX = 2000,
	ALT_MAX = 200,
};

enum act {
	ACT_BREAK, /* a new line, always */
	ACT_LINE,  /* what follows begins a line */
	ACT_PARAGRAPH,
	ACT_ITEM,
	ACT_CELL,
	ACT_RULE,
	ACT_PRE,
	ACT_LINK,
	ACT_IMAGE,
	ACT_SKIP, /* its content is no text */
};

static const struct tag {
	struct slice name;
	enum act act;
} tags[] = {
	{ SLICE_INIT("a"), ACT_LINK },       { SLICE_INIT("address"), ACT_LINE },
	{ SLICE_INIT("article"), ACT_LINE }, { SLICE_INIT("blockquote"), ACT_PARAGRAPH },
	{ SLICE_INIT("body"), ACT_LINE },    { SLICE_INIT("br"), ACT_BREAK },
	{ SLICE_INIT("center"), ACT_LINE },  { SLICE_INIT("dd"), ACT_LINE },
	{ SLICE_INIT("div"), ACT_LINE },     { SLICE_INIT("dt"), ACT_LINE },
	{ SLICE_INIT("footer"), ACT_LINE },  { SLICE_INIT("h1"), ACT_PARAGRAPH },
	{ SLICE_INIT("h2"), ACT_PARAGRAPH }, { SLICE_INIT("h3"), ACT_PARAGRAPH },
	{ SLICE_INIT("h4"), ACT_PARAGRAPH }, { SLICE_INIT("h5"), ACT_PARAGRAPH },
	{ SLICE_INIT("h6"), ACT_PARAGRAPH }, { SLICE_INIT("header"), ACT_LINE },
	{ SLICE_INIT("hr"), ACT_RULE },      { SLICE_INIT("img"), ACT_IMAGE },
	{ SLICE_INIT("li"), ACT_ITEM },      { SLICE_INIT("ol"), ACT_LINE },
	{ SLICE_INIT("p"), ACT_PARAGRAPH },  { SLICE_INIT("pre"), ACT_PRE },
	{ SLICE_INIT("script"), ACT_SKIP },  { SLICE_INIT("section"), ACT_LINE },
	{ SLICE_INIT("style"), ACT_SKIP },   { SLICE_INIT("table"), ACT_LINE },
	{ SLICE_INIT("td"), ACT_CELL },      { SLICE_INIT("template"), ACT_SKIP },
	{ SLICE_INIT("th"), ACT_CELL },      { SLICE_INIT("title"), ACT_SKIP },
	{ SLICE_INIT("tr"), ACT_LINE },      { SLICE_INIT("ul"), ACT_LINE },
};

static const struct {
	struct slice name;
	uint32_t c;
} entities[] = {
	{ SLICE_INIT("amp"), '&' },      { SLICE_INIT("lt"), '<' },
	{ SLICE_INIT("gt"), '>' },       { SLICE_INIT("quot"), '"' },
	{ SLICE_INIT("apos"), '\'' },    { SLICE_INIT("nbsp"), ' ' },
	{ SLICE_INIT("copy"), 0xa9 },    { SLICE_INIT("reg"), 0xae },
	{ SLICE_INIT("deg"), 0xb0 },     { SLICE_INIT("middot"), 0xb7 },
	{ SLICE_INIT("laquo"), 0xab },   { SLICE_INIT("raquo"), 0xbb },
	{ SLICE_INIT("times"), 0xd7 },   { SLICE_INIT("sect"), 0xa7 },
	{ SLICE_INIT("Auml"), 0xc4 },    { SLICE_INIT("Ouml"), 0xd6 },
	{ SLICE_INIT("Uuml"), 0xdc },    { SLICE_INIT("szlig"), 0xdf },
	{ SLICE_INIT("auml"), 0xe4 },    { SLICE_INIT("ouml"), 0xf6 },
	{ SLICE_INIT("uuml"), 0xfc },    { SLICE_INIT("agrave"), 0xe0 },
	{ SLICE_INIT("aacute"), 0xe1 },  { SLICE_INIT("ccedil"), 0xe7 },
	{ SLICE_INIT("egrave"), 0xe8 },  { SLICE_INIT("eacute"), 0xe9 },
	{ SLICE_INIT("ecirc"), 0xea },   { SLICE_INIT("ntilde"), 0xf1 },
	{ SLICE_INIT("oacute"), 0xf3 },  { SLICE_INIT("pound"), 0xa3 },
	{ SLICE_INIT("euro"), 0x20ac },  { SLICE_INIT("ndash"), 0x2013 },
	{ SLICE_INIT("mdash"), 0x2014 }, { SLICE_INIT("lsquo"), 0x2018 },
	{ SLICE_INIT("rsquo"), 0x2019 }, { SLICE_INIT("ldquo"), 0x201c },
	{ SLICE_INIT("rdquo"), 0x201d }, { SLICE_INIT("bdquo"), 0x201e },
	{ SLICE_INIT("bull"), 0x2022 },  { SLICE_INIT("hellip"), 0x2026 },
	{ SLICE_INIT("rarr"), 0x2192 },  { SLICE_INIT("trade"), 0x2122 },
	{ SLICE_INIT("zwnj"), 0x200c },  { SLICE_INIT("zwj"), 0x200d },
};

struct reader {
	struct buf *out;
	size_t begin;      /* of what this reader wrote */
	unsigned newlines; /* owed before the next character ... */
	bool blank;        /* ... or a blank */
	unsigned pre;      /* white space counts */
	bool no_more_tags; /* no '>' follows */
	struct slice href; /* of the link that is open, as written */
	size_t href_at;    /* where its text begins */
};

/* ---- writing ---- */

static void owe_lines(struct reader *r, unsigned n)
{
	r->newlines = r->newlines < n ? n : r->newlines;
	r->blank = false;
}

static bool at_line_start(const struct reader *r)
{
	return r->out->len == r->begin || r->out->p[r->out->len - 1] == '\n';
}

/* How many line ends stand at the end already, up to two. */
static unsigned lines_done(const struct reader *r)
{
	unsigned n = 0;

	while (n < 2 && r->out->len - n > r->begin && r->out->p[r->out->len - 1 - n] == '\n')
		n++;
	return n;
}

static void pay(struct reader *r)
{
	unsigned done = lines_done(r);

	for (; r->out->len > r->begin && done < r->newlines; done++)
		buf_add_char(r->out, '\n');
	if (r->blank && !at_line_start(r))
		buf_add_char(r->out, ' ');
	r->newlines = 0;
	r->blank = false;
}

static void add_piece(struct reader *r, struct slice s)
{
	pay(r);
	buf_add_slice(r->out, s);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void add_space(struct reader *r, char c)
{
	if (r->pre && c == '\n')
		add_piece(r, S("\n"));
	else if (r->pre && c != '\r')
		add_piece(r, slice_of(&c, 1));
	else
		r->blank = r->newlines == 0;
}

/* ---- entities ---- */

/* Digits of a numeric entity; 0 for what names no character that text may hold. */
static uint32_t number(struct slice digits)
{
	bool hex = slice_istarts(digits, S("x"));
	uint32_t c = 0;

	digits = slice_sub(digits, hex, digits.n);
	for (size_t i = 0; i < digits.n; i++) {
		static const char all[] = "0123456789abcdefABCDEF";
		const char *at = digits.p[i] ? strchr(all, digits.p[i]) : NULL;
		uint32_t value = at ? (uint32_t)(at - all) : 99;

		value = value > 15 && value < 22 ? value - 6 : value;
		if (value >= (hex ? 16u : 10u) || c > 0x10ffff)
			return 0;
		c = c * (hex ? 16 : 10) + value;
	}
	return c < ' ' || c == 0x7f || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? 0 : c;
}

static uint32_t entity_of(struct slice name)
{
	if (slice_starts(name, S("#")))
		return number(slice_sub(name, 1, name.n));
	for (size_t i = 0; i < ARRAY_LEN(entities); i++)
		if (slice_eq(name, entities[i].name))
			return entities[i].c;
	return 0;
}

/* The character that s begins with, decoded into `ret`; how much of s it was. */
static size_t take_char(struct slice s, char ret[4], size_t *ret_n)
{
	struct slice head = slice_sub(s, 1, 2 + ENTITY_MAX);
	ptrdiff_t end = s.p[0] == '&' ? slice_find(head, ';') : -1;
	uint32_t c = end > 0 ? entity_of(slice_sub(head, 0, (size_t)end)) : 0;
	size_t n = utf8_len(s);

	if (c) {
		*ret_n = utf8_encode(c, ret);
		return (size_t)end + 2;
	}
	*ret_n = n ? n : 1;
	memcpy(ret, s.p, *ret_n);
	return *ret_n;
}

/* The value of an attribute on one line. */
static void add_value(struct slice value, size_t max, struct buf *ret)
{
	while (value.n && ret->len < max) {
		char c[4];
		size_t n, used = take_char(value, c, &n);

		if (!is_space(c[0]) || (ret->len && ret->p[ret->len - 1] != ' '))
			buf_add_slice(ret, is_space(c[0]) ? S(" ") : slice_of(c, n));
		value = slice_sub(value, used, value.n);
	}
}

/* ---- tags ---- */

struct open_tag {
	struct slice name, attributes;
	bool end;
};

/* What stands behind the '=' of an attribute, as written. */
static struct slice take_value(struct slice *rest)
{
	struct slice s = slice_trim(slice_sub(*rest, 1, rest->n)), value;
	size_t n = 0;

	if (s.n && (s.p[0] == '"' || s.p[0] == '\'')) {
		char quote = s.p[0];

		*rest = slice_sub(s, 1, s.n);
		slice_cut(rest, quote, &value);
		return value;
	}
	while (n < s.n && !is_space(s.p[n]))
		n++;
	*rest = slice_sub(s, n, s.n);
	return slice_sub(s, 0, n);
}

/* The value of the first attribute of that name, as written, or empty. */
static struct slice attribute(struct slice rest, struct slice name)
{
	while (rest.n) {
		struct slice key, value = S("");
		size_t n = 0;

		while (rest.n && (is_space(rest.p[0]) || rest.p[0] == '/'))
			rest = slice_sub(rest, 1, rest.n);
		while (n < rest.n && !is_space(rest.p[n]) && rest.p[n] != '=')
			n++;
		key = slice_sub(rest, 0, n);
		rest = slice_trim(slice_sub(rest, n, rest.n));
		if (slice_starts(rest, S("=")))
			value = take_value(&rest);
		if (slice_ieq(key, name))
			return value;
	}
	return S("");
}

/* Where the '>' of the tag is that s begins with, -1 without one. Values in quotes may hold one. */
static ptrdiff_t tag_end(struct slice s)
{
	char quote = 0;

	for (size_t i = 1; i < s.n; i++) {
		char c = s.p[i];

		if (!quote && c == '>')
			return (ptrdiff_t)i;
		if (quote)
			quote = c == quote ? 0 : quote;
		else if (s.p[i - 1] == '=' && (c == '"' || c == '\''))
			quote = c;
	}
	return slice_find(s, '>');
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* A tag at the start of s; its length, or 0 when there is none. */
static size_t take_tag(struct reader *r, struct slice s, struct open_tag *ret)
{
	size_t at = s.n > 1 && s.p[1] == '/' ? 2 : 1, n = at;
	ptrdiff_t end;

	if (s.n <= at || !is_letter(s.p[at]) || r->no_more_tags)
		return 0;
	end = tag_end(s);
	r->no_more_tags = end < 0;
	if (end < 0)
		return 0;
	while (n < (size_t)end && slice_only(slice_sub(s, n, n + 1), ""))
		n++;
	*ret = (struct open_tag){ slice_sub(s, at, n), slice_sub(s, n, (size_t)end), at == 2 };
	return (size_t)end + 1;
}

/* What a comment or declaration at the start of s takes; 0 when it is none. */
static size_t comment_len(struct slice s)
{
	ptrdiff_t end;

	if (slice_starts(s, S("<!--"))) {
		end = slice_search(slice_sub(s, 4, s.n), S("-->"));
		return end < 0 ? s.n : (size_t)end + 7;
	}
	if (!slice_starts(s, S("<!")) && !slice_starts(s, S("<?")))
		return 0;
	end = slice_find(s, '>');
	return end < 0 ? s.n : (size_t)end + 1;
}

/* Up to the end tag of that name, or all. */
static size_t content_len(struct slice s, struct slice name)
{
	for (size_t i = 0; i + 2 + name.n <= s.n; i++)
		if (s.p[i] == '<' && s.p[i + 1] == '/' &&
		    slice_ieq(slice_sub(s, i + 2, i + 2 + name.n), name))
			return i;
	return s.n;
}

static bool is_address(struct slice url)
{
	return slice_istarts(url, S("http://")) || slice_istarts(url, S("https://")) ||
	       slice_istarts(url, S("mailto:"));
}

/* Behind the text of a link, where it leads: what the text says of that may be a lie. */
static void end_link(struct reader *r)
{
	AUTO(buf_release) struct buf url = BUF_INIT(URL_MAX + 4);
	struct slice text = slice_sub(buf_slice(r->out), r->href_at, r->out->len);

	add_value(r->href, URL_MAX, &url);
	r->href = S("");
	if (!is_address(buf_slice(&url)) || slice_eq(slice_trim(text), buf_slice(&url)))
		return;
	r->blank = true;
	add_piece(r, S("<"));
	buf_add_slice(r->out, buf_slice(&url));
	buf_add_char(r->out, '>');
}

static void take_link(struct reader *r, const struct open_tag *t)
{
	if (r->href.n)
		end_link(r);
	if (t->end)
		return;
	r->href = attribute(t->attributes, S("href"));
	r->href_at = r->out->len;
}

static void take_image(struct reader *r, const struct open_tag *t)
{
	AUTO(buf_release) struct buf alt = BUF_INIT(ALT_MAX + 4);

	add_value(attribute(t->attributes, S("alt")), ALT_MAX, &alt);
	if (!slice_trim(buf_slice(&alt)).n)
		return;
	add_piece(r, S("["));
	buf_add_slice(r->out, slice_trim(buf_slice(&alt)));
	buf_add_char(r->out, ']');
}

static void take_break(struct reader *r)
{
	pay(r);
	buf_add_char(r->out, '\n');
}

static void take_item(struct reader *r, const struct open_tag *t)
{
	owe_lines(r, 1);
	if (!t->end)
		add_piece(r, S("* "));
}

static void take_rule(struct reader *r)
{
	owe_lines(r, 1);
	add_piece(r, S("---"));
	owe_lines(r, 1);
}

static void take_pre(struct reader *r, const struct open_tag *t)
{
	owe_lines(r, 1);
	r->pre = !t->end;
}

static const struct tag *find_tag(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (slice_ieq(name, tags[i].name))
			return &tags[i];
	return NULL;
}

/* Does what a tag asks for; how much of what follows it is not text. */
static size_t act_on(struct reader *r, const struct open_tag *t, struct slice behind)
{
	const struct tag *known = find_tag(t->name);

	switch (known ? known->act : ACT_SKIP) {
	case ACT_BREAK:
		take_break(r);
		break;
	case ACT_LINE:
		owe_lines(r, 1);
		break;
	case ACT_PARAGRAPH:
		owe_lines(r, 2);
		break;
	case ACT_ITEM:
		take_item(r, t);
		break;
	case ACT_CELL:
		add_space(r, ' ');
		break;
	case ACT_RULE:
		take_rule(r);
		break;
	case ACT_PRE:
		take_pre(r, t);
		break;
	case ACT_LINK:
		take_link(r, t);
		break;
	case ACT_IMAGE:
		take_image(r, t);
		break;
	case ACT_SKIP:
		return known && !t->end ? content_len(behind, t->name) : 0;
	}
	return 0;
}

static size_t take_markup(struct reader *r, struct slice s)
{
	struct open_tag t;
	size_t n = comment_len(s);

	if (n)
		return n;
	n = take_tag(r, s, &t);
	return n ? n + act_on(r, &t, slice_sub(s, n, s.n)) : 0;
}

static size_t take_text(struct reader *r, struct slice s)
{
	char c[4];
	size_t n, used = take_char(s, c, &n);

	if (is_space(c[0]))
		add_space(r, c[0]);
	else
		add_piece(r, slice_of(c, n));
	return used;
}

void html_text_of(struct slice html, struct buf *ret)
{
	struct reader r = { .out = ret, .begin = ret->len };

	while (html.n) {
		size_t n = html.p[0] == '<' ? take_markup(&r, html) : 0;

		if (n == 0)
			n = take_text(&r, html);
		html = slice_sub(html, n, html.n);
	}
	if (r.href.n)
		end_link(&r);
	if (!at_line_start(&r))
		buf_add_char(ret, '\n');
}
