/* SPDX-License-Identifier: Apache-2.0 */
/* Header text in any charset: what comes out fits a column and a line. */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	static bool ready;
	struct slice text;

	if (!ready)
		mime_init();
	ready = true;
	text = mime_text(slice_of((const char *)data, size), 1000, &a);
	FUZZ_CHECK(text.n <= 1000 && utf8_valid(text) && !slice_has_ctl(text));
	return 0;
}
