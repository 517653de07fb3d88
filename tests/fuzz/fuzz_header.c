/* SPDX-License-Identifier: Apache-2.0 */
/* header_parse() and what reads its fields: every slice lies inside the message. */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "common/mail/header.h"

static void check_field(const struct header_field *f, struct slice message, struct arena *a)
{
	struct slice ids[16], line;

	FUZZ_CHECK(f->name.n > 0 && f->name.p == f->raw.p);
	FUZZ_CHECK(f->raw.p >= message.p && f->raw.p + f->raw.n <= message.p + message.n);
	FUZZ_CHECK(f->value.p > f->name.p && f->value.p + f->value.n <= f->raw.p + f->raw.n);
	line = header_unfold(a, f->value);
	FUZZ_CHECK(slice_find(line, '\n') < 0 && slice_find(line, '\r') < 0);
	FUZZ_CHECK(line.n <= f->value.n);
	for (size_t i = header_msgids(f->value, ids, ARRAY_LEN(ids)); i-- > 0;)
		FUZZ_CHECK(slice_starts(ids[i], S("<")) && slice_ends(ids[i], S(">")));
	if (header_is_private(f->name))
		FUZZ_CHECK(f->name.n >= 5);
	header_has_authserv_id(f->value, S("mx.example.com"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice message = slice_of((const char *)data, size);
	const char *end = message.p;
	struct header h;

	header_parse(message, &a, &h);
	FUZZ_CHECK(h.n <= HEADER_FIELDS_MAX && h.body <= size);
	for (size_t i = 0; i < h.n; i++) {
		FUZZ_CHECK(h.v[i].raw.p >= end);
		end = h.v[i].raw.p + h.v[i].raw.n;
		check_field(&h.v[i], message, &a);
	}
	return 0;
}
