/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts and files of the user's for a mail that is sent. What cannot be sent is said before
 * anything large is read.
 */
#ifndef E2A_CLI_ATTACH_H
#define E2A_CLI_ATTACH_H

#include "common/base/jsonf.h"

enum {
	ATTACH_REQUEST_MAX = 25 << 20, /* bytes that an e2a takes in one request */
};

struct attach_file {
	const char *path;
	struct slice name; /* the last part of the path */
	const char *type;
	int fd;
	uint64_t size;
};

struct attach_files {
	struct attach_file *v;
	size_t n;
};

/*
 * Opens the files. ERR_IO names one that cannot be read or is no regular file, ERR_INPUT one
 * whose name is not UTF-8, ERR_TOO_BIG says that they are, together with `others` bytes, more than
 * fits into a request. attach_close() in any
 * case.
 */
enum err attach_open(const char *const *paths, size_t n, size_t others, struct arena *a,
		     struct attach_files *ret, struct fail *fail) MUST_CHECK;
void attach_close(struct attach_files *f);
/* Reads them as the value of `attachments`. */
enum err attach_write(const struct attach_files *f, struct jsonw *w, struct fail *fail) MUST_CHECK;

/*
 * Appends the text in a file, or on standard input for "-": anything that can be read to its end.
 * ERR_INPUT unless it is UTF-8 without NUL.
 */
enum err attach_text(const char *path, struct buf *ret, struct fail *fail) MUST_CHECK;

#endif
