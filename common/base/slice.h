/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice is a borrowed run of bytes: pointer and length, NUL allowed inside,
 * no NUL promised behind. All data from a wire is handled as slices.
 * "Case-insensitive" means ASCII everywhere in this module.
 */
#ifndef E2A_BASE_SLICE_H
#define E2A_BASE_SLICE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const char *p;
	size_t n;
};

/* The slice of a string literal, as an initialiser and as a value. */
#define SLICE_INIT(lit)                                                                            \
	{                                                                                          \
		(lit), sizeof(lit) - 1                                                             \
	}
#define S(lit) ((struct slice)SLICE_INIT(lit))
/* printf arguments for "%.*s"; only for text that is short by construction. */
#define SLICE_ARGS(s) (int)(s).n, (s).p

struct slice slice_of(const char *p, size_t n);
/* The slice of a NUL-terminated string; NULL gives an empty slice. */
struct slice slice_str(const char *s);
/* Bytes [from, to) of s, clamped to its length. */
struct slice slice_sub(struct slice s, size_t from, size_t to);

bool slice_eq(struct slice a, struct slice b);
bool slice_ieq(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
bool slice_iends(struct slice s, struct slice suffix);

/* Index of the first (last) byte c, or -1. */
ptrdiff_t slice_find(struct slice s, char c);
ptrdiff_t slice_rfind(struct slice s, char c);
/* Index of the first occurrence of `needle`, or -1; an empty one is at 0. */
ptrdiff_t slice_search(struct slice s, struct slice needle);
bool slice_has_ctl(struct slice s); /* any byte below 0x20, or 0x7f */
/* Nothing but letters and digits of ASCII and the bytes of `others`; so for an empty slice. */
bool slice_only(struct slice s, const char *others);

/* Without leading and trailing space, tab, CR and LF. */
struct slice slice_trim(struct slice s);

/*
 * Cuts at the first `sep`: *ret_head is what stands before it, *rest what
 * stands behind it. Without a `sep` the head is all of it and rest becomes
 * empty. False when *rest was already exhausted (p == NULL); so
 *     while (slice_cut(&rest, ',', &item)) ...
 * visits every item, empty ones included.
 */
bool slice_cut(struct slice *rest, char sep, struct slice *ret_head);

/* Decimal digits only, no sign, no blanks; ERR_INPUT also when above max. */
enum err slice_to_u64(struct slice s, uint64_t max, uint64_t *ret) MUST_CHECK;
/* Like slice_to_u64, with an optional leading '-'. */
enum err slice_to_i64(struct slice s, int64_t min, int64_t max, int64_t *ret) MUST_CHECK;

#endif
