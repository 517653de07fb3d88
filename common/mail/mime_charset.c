/* SPDX-License-Identifier: Apache-2.0 */
/* Names of charsets. A name out of a mail must never reach a library before it was found here. */
#include "common/mail/mime_charset.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <iconv.h>

enum { NAME_MAX_LEN = 40 };

/* windows-1252 0x80..0x9f */
static const uint16_t cp1252_c1[32] = {
	0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

/* Names that mail uses and iconv(3) does not know, or knows as less than what is sent. */
static const struct {
	const char *name, *means;
} aliases[] = {
	{ "ks_c_5601-1987", "cp949" },
	{ "ksc5601", "cp949" },
	{ "euc-kr", "cp949" },
	{ "gb2312", "gb18030" },
	{ "gb_2312-80", "gb18030" },
	{ "gb-2312", "gb18030" },
	{ "x-gbk", "gb18030" },
	{ "gbk", "gb18030" },
	{ "big5", "big5-hkscs" },
	{ "x-big5", "big5-hkscs" },
	{ "x-sjis", "cp932" },
	{ "shift_jis", "cp932" },
	{ "x-euc-jp", "euc-jp" },
	{ "iso-2022-jp-ms", "iso-2022-jp" },
	{ "cp50220", "iso-2022-jp" },
	{ "unicode-1-1-utf-7", "utf-7" },
	{ "iso-8859-8-i", "iso-8859-8" },
	{ "x-mac-roman", "macintosh" },
	{ "us-ascii", "windows-1252" },
	{ "iso-8859-1", "windows-1252" },
};

static bool is_name(struct slice s)
{
	return s.n >= 1 && s.n <= NAME_MAX_LEN && slice_only(s, "-_.:+");
}

const char *mime_charset_known(struct slice name, struct arena *a)
{
	const char *text;
	iconv_t probe;

	if (!is_name(name))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (slice_ieq(name, slice_str(aliases[i].name)))
			return aliases[i].means;
	text = arena_dup(a, name);
	probe = iconv_open("UTF-8", text);
	if (probe == (iconv_t)-1)
		return NULL;
	iconv_close(probe);
	return text;
}

size_t mime_charset_cp1252_byte(unsigned char byte, char ret[4])
{
	return utf8_encode(byte >= 0x80 && byte < 0xa0 ? cp1252_c1[byte - 0x80] : byte, ret);
}

struct slice mime_charset_cp1252(struct slice s, struct arena *a)
{
	char *out = arena_calloc(a, s.n + 2, 3);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += mime_charset_cp1252_byte((unsigned char)s.p[i], out + n);
	return slice_of(out, n);
}
