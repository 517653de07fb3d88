/* SPDX-License-Identifier: Apache-2.0 */
/* Escaping. No byte of data may end a text or an attribute. */
#include "common/base/html.h"

#include "common/base/utf8.h"

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* Of the characters below U+00A0 HTML admits these and the printable ones. */
static bool is_control(struct slice s)
{
	unsigned char c = (unsigned char)s.p[0];

	if (s.n == 2)
		return c == 0xc2 && (unsigned char)s.p[1] < 0xa0;
	return s.n == 1 && ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f);
}

void html_text(struct buf *out, struct slice s)
{
	while (s.n) {
		size_t n = utf8_len(s);
		struct slice one = slice_sub(s, 0, n);
		const char *name = entity(s.p[0]);

		if (n == 0 || is_control(one))
			buf_add_str(out, "\xef\xbf\xbd");
		else if (name)
			buf_add_str(out, name);
		else
			buf_add_slice(out, one);
		s = slice_sub(s, n ? n : 1, s.n);
	}
}
