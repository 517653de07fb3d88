/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail that waits for approval as a text that a person edits: fields, a blank line, the text.
 * Lines that begin with # above that blank line are remarks. Characters that are not seen or turn
 * text around stand as <U+202E>, and `<U+` itself as <U+003C>U+, so that what was not touched comes
 * back as it was.
 */
#ifndef E2A_CLI_EDIT_H
#define E2A_CLI_EDIT_H

#include "common/base/arena.h"
#include "common/base/buf.h"

enum {
	EDIT_BYTES_MAX = 64 * 1024 * 1024, /* of such a text */
	EDIT_LINES_MAX = 1000,             /* of recipients of one kind */
};

/* Recipients, each with its line. */
struct edit_list {
	struct slice *v;
	size_t *line; /* counted from 1 */
	size_t n;
};

enum edit_kind { EDIT_TO, EDIT_CC, EDIT_BCC, EDIT_KINDS };

struct edit {
	struct slice subject;
	struct edit_list list[EDIT_KINDS];
	struct slice text; /* lines ended by LF, the last one too unless it is empty */
};

/* Appends the fields, the blank line and the text. Remarks of the caller's stand above them. */
void edit_write(const struct edit *e, struct buf *ret);
/*
 * Reads what edit_write() wrote and somebody changed. Everything lives in the arena. ERR_INPUT when
 * it is no such text, and fail->what says where; ERR_NOT_FOUND when there is nothing in it but
 * remarks and blank lines: nobody wants this any more.
 */
enum err edit_read(struct slice text, struct arena *a, struct edit *ret,
		   struct fail *fail) MUST_CHECK;
bool edit_same_list(const struct edit_list *x, const struct edit_list *y);
/*
 * The addresses of a list: a line may have several, with display names or without. ERR_INPUT
 * names the line that has something else.
 */
enum err edit_addresses(const struct edit_list *list, struct arena *a, struct slice **ret,
			size_t *ret_n, struct fail *fail) MUST_CHECK;

#endif
