/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target defines: one call per input, 0 always; a finding is a crash. */
#ifndef E2A_TESTS_FUZZ_H
#define E2A_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() that stays when NDEBUG is set. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

#endif
