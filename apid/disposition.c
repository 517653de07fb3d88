/* SPDX-License-Identifier: Apache-2.0 */
/* Names of files that somebody saves. They are a stranger's: none may say where it is stored. */
#include "apid/disposition.h"

#include "common/base/buf.h"
#include "common/base/mem.h"

enum { DISPOSITION_MAX = 2048 };

static bool is_attr_char(char c)
{
	return slice_only(slice_of(&c, 1), "!#$&+-.^_`|~");
}

struct slice disposition(struct slice filename, struct arena *a)
{
	AUTO(buf_release) struct buf out = BUF_INIT(DISPOSITION_MAX);
	bool plain = true;

	if (filename.n == 0)
		return S("attachment");
	buf_add_str(&out, "attachment; filename=\"");
	for (size_t i = 0; i < filename.n; i++) {
		char c = filename.p[i];
		bool fits = c == ' ' || is_attr_char(c) || (c != '\0' && strchr("()[]{},;=@'", c));

		plain = plain && fits;
		if (fits)
			buf_add_char(&out, c);
		else if (((unsigned char)c & 0xc0) != 0x80)
			buf_add_char(&out, '_');
	}
	buf_add_char(&out, '"');
	if (plain)
		return arena_slice(a, buf_slice(&out));
	buf_add_str(&out, "; filename*=UTF-8''");
	for (size_t i = 0; i < filename.n; i++) {
		if (is_attr_char(filename.p[i]))
			buf_add_char(&out, filename.p[i]);
		else
			buf_addf(&out, "%%%02X", (unsigned)(unsigned char)filename.p[i]);
	}
	return arena_slice(a, buf_slice(&out));
}
