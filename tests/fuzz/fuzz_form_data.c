/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms in parts. The input is a Content-Type, a line end, and a body; what is found is part of
 * the body, and a form that is well made is read as it was made.
 */
#include "tests/fuzz/fuzz.h"

#include "apid/form_data.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/mail/mime.h"

#define TYPE S("multipart/form-data; boundary=\"-- e2a --\"")

static void check_found(struct slice type, struct slice body)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice value = form_data_field(type, body, S("f"), &a);

	FUZZ_CHECK(value.n == 0 || (value.p >= body.p && value.p + value.n <= body.p + body.n));
	if (value.n)
		FUZZ_CHECK(form_data_is(type));
}

static void check_made(struct slice value)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf body = BUF_INIT(1 << 20);

	if (slice_search(value, S("-- e2a --")) >= 0)
		return;
	buf_add_str(&body, "---- e2a --\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n");
	buf_add_slice(&body, value);
	buf_add_str(&body, "\r\n---- e2a ----\r\n");
	FUZZ_CHECK(slice_eq(form_data_field(TYPE, buf_slice(&body), S("f"), &a), value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct slice body = slice_of((const char *)data, size), type;

	if (!ready)
		mime_init();
	ready = true;
	check_made(body);
	if (slice_cut(&body, '\n', &type))
		check_found(type, body);
	return 0;
}
