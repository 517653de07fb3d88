/* SPDX-License-Identifier: Apache-2.0 */
/* SMTP syntax. Nothing here may take a control character for part of an address. */
#include "deliverd/lmtp_syntax.h"

#include "common/base/encode.h"

/* Index of the '>' that ends a path whose '<' is at 0, or 0. */
static size_t path_end(struct slice s)
{
	bool quoted = false;

	for (size_t i = 1; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 0x7f || (!quoted && c == ' '))
			return 0;
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '>')
			return i;
	}
	return 0;
}

enum err lmtp_path(struct slice *in, size_t max_bytes, struct slice *ret)
{
	struct slice s = *in, path;
	ptrdiff_t colon;
	size_t end;

	while (slice_starts(s, S(" ")))
		s = slice_sub(s, 1, s.n);
	end = slice_starts(s, S("<")) ? path_end(s) : 0;
	if (!end)
		return ERR_INPUT;
	path = slice_sub(s, 1, end);
	colon = slice_find(path, ':');
	if (slice_starts(path, S("@")) && colon >= 0)
		path = slice_sub(path, (size_t)colon + 1, path.n);
	if (path.n > max_bytes || slice_has_ctl(path))
		return ERR_INPUT;
	*in = slice_sub(s, end + 1, s.n);
	*ret = path;
	return OK;
}

enum err lmtp_xtext(struct slice in, struct buf *ret)
{
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '+') {
			if (hex_decode(slice_sub(in, i + 1, i + 3), &c, 1))
				return ERR_INPUT;
			i += 2;
		}
		buf_add_char(ret, c);
	}
	return buf_check(ret);
}

bool lmtp_word(struct slice *in, struct slice *ret)
{
	struct slice s = slice_trim(*in);

	if (s.n == 0)
		return false;
	return slice_cut(&s, ' ', ret) && (*in = s, true);
}
