/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text in which somebody edited a mail: what is read and written again is read as the same,
 * and what is refused is refused with its reason.
 */
#include "tests/fuzz/fuzz.h"

#include "cli/edit.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

static void check_recipients(const struct edit_list *list, struct arena *a)
{
	struct fail fail = { 0 };
	struct slice *v = NULL;
	size_t n = 0;

	if (edit_addresses(list, a, &v, &n, &fail)) {
		FUZZ_CHECK(*fail.what);
		return;
	}
	FUZZ_CHECK(n >= list->n);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(v[i].n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf written = BUF_INIT(EDIT_BYTES_MAX);
	struct edit first = { 0 }, again = { 0 };
	struct fail fail = { 0 };
	enum err e = edit_read(slice_of((const char *)data, size), &a, &first, &fail);

	FUZZ_CHECK(e == OK || e == ERR_NOT_FOUND || (e == ERR_INPUT && *fail.what));
	if (e)
		return 0;
	edit_write(&first, &written);
	FUZZ_CHECK(!buf_failed(&written) && utf8_valid(buf_slice(&written)));
	FUZZ_CHECK(edit_read(buf_slice(&written), &a, &again, &fail) == OK);
	FUZZ_CHECK(slice_eq(first.subject, again.subject) && slice_eq(first.text, again.text));
	for (size_t i = 0; i < EDIT_KINDS; i++) {
		FUZZ_CHECK(edit_same_list(&first.list[i], &again.list[i]));
		check_recipients(&first.list[i], &a);
	}
	return 0;
}
