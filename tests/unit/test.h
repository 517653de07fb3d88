/* SPDX-License-Identifier: Apache-2.0 */
/* What every cmocka test needs, and slices in assertions. */
#ifndef E2A_TESTS_UNIT_TEST_H
#define E2A_TESTS_UNIT_TEST_H

#include "common/base/mem.h"
#include "common/base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* `got` holds exactly the bytes of `want`; `row` says which row of a table failed. */
static inline void assert_slice_row(struct slice got, struct slice want, size_t row)
{
	if (!slice_eq(got, want))
		fail_msg("row %zu: got '%.*s' (%zu), want '%.*s' (%zu)", row, SLICE_ARGS(got),
			 got.n, SLICE_ARGS(want), want.n);
}

#define assert_slice(got, want) assert_slice_row((got), (want), 0)

/* Like assert_true, saying which row of a table failed. */
#define assert_row(row, condition)                                                                 \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("row %zu: %s", (size_t)(row), #condition);                        \
	} while (0)

#endif
