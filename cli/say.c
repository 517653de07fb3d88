/* SPDX-License-Identifier: Apache-2.0 */
/* What is said beside the output. Each line is one write, so that lines of threads stay whole. */
#include "cli/say.h"

#include "cli/out.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

enum { SAY_MAX = 4096 };

void say(const char *fmt, ...)
{
	char text[SAY_MAX];
	AUTO(buf_release) struct buf safe = BUF_INIT(16 * SAY_MAX);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_safe_line(&safe, utf8_cut(slice_str(text), sizeof(text)));
	buf_add_char(&safe, '\n');
	fputs(buf_cstr(&safe), stderr);
}
