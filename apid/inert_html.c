/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML without elements that load, lead elsewhere or take input. It knows no context: whatever
 * looks like the beginning of a tag is treated as one, also in comments, attributes and style
 * sheets, because a parser and an author may disagree about where those end (HTML 13.2.5).
 */
#include "apid/inert_html.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Sorted. <script> is here because no policy of ours runs it, and it hides its text. */
static const char *const harmless[] = {
	"abbr",  "acronym",    "address", "article",    "aside",   "b",       "bdi",     "bdo",
	"big",   "blockquote", "body",    "br",         "caption", "center",  "cite",    "code",
	"col",   "colgroup",   "dd",      "del",        "details", "dfn",     "dir",     "div",
	"dl",    "dt",         "em",      "figcaption", "figure",  "font",    "footer",  "h1",
	"h2",    "h3",         "h4",      "h5",         "h6",      "head",    "header",  "hr",
	"html",  "i",          "img",     "ins",        "kbd",     "label",   "li",      "main",
	"mark",  "nav",        "nobr",    "noscript",   "ol",      "p",       "pre",     "q",
	"rp",    "rt",         "ruby",    "s",          "samp",    "script",  "section", "small",
	"span",  "strike",     "strong",  "style",      "sub",     "summary", "sup",     "table",
	"tbody", "td",         "tfoot",   "th",         "thead",   "time",    "title",   "tr",
	"tt",    "u",          "ul",      "var",        "wbr",
};

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What ends a name for a parser, and '<': it might be the beginning of a tag where we are wrong. */
static bool ends_name(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '/' ||
	       c == '>' || c == '<';
}

static int compare(const void *key, const void *row)
{
	const struct inert_html *h = key;
	const char *name = *(const char *const *)row;

	for (size_t i = 0; i < h->n; i++) {
		char c = h->name[i];
		char lower = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);

		if (lower != name[i] || lower == '\0')
			return (unsigned char)lower < (unsigned char)name[i] ? -1 : 1;
	}
	return name[h->n] ? -1 : 0;
}

static bool is_harmless(const struct inert_html *h)
{
	return bsearch(h, harmless, ARRAY_LEN(harmless), sizeof(harmless[0]), compare) != NULL;
}

static void end_name(struct inert_html *h, bool whole, struct buf *out)
{
	if (!whole || !is_harmless(h))
		buf_add_str(out, "x-");
	buf_add(out, h->name, h->n);
	h->n = 0;
	h->state = INERT_HTML_TEXT;
}

/* True when c belongs to a name, which is kept. */
static bool take_name(struct inert_html *h, char c, struct buf *out)
{
	bool begins = h->state == INERT_HTML_OPEN || h->state == INERT_HTML_CLOSE;

	if (begins && is_alpha(c))
		h->state = INERT_HTML_NAME;
	if (h->state != INERT_HTML_NAME)
		return false;
	if (ends_name(c) || h->n == sizeof(h->name)) {
		end_name(h, ends_name(c), out);
		return false;
	}
	h->name[h->n++] = c;
	return true;
}

static void feed_byte(struct inert_html *h, char c, struct buf *out)
{
	if (take_name(h, c, out))
		return;
	if (c == '<')
		h->state = INERT_HTML_OPEN;
	else if (c == '/' && h->state == INERT_HTML_OPEN)
		h->state = INERT_HTML_CLOSE;
	else
		h->state = INERT_HTML_TEXT;
	buf_add_char(out, c);
}

void inert_html_feed(struct inert_html *h, struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		feed_byte(h, in.p[i], out);
}

void inert_html_end(struct inert_html *h, struct buf *out)
{
	if (h->state == INERT_HTML_NAME)
		end_name(h, true, out);
	h->state = INERT_HTML_TEXT;
}
