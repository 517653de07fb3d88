/* SPDX-License-Identifier: Apache-2.0 */
/* A text in the user's editor, by way of a file that only they can read. */
#ifndef E2A_CLI_EDITOR_H
#define E2A_CLI_EDITOR_H

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * A new file with this text, below $TMPDIR or /tmp. *ret_path is free(3)d by the caller. ERR_IO,
 * and no file is left, when it cannot be written whole.
 */
enum err editor_file(struct slice text, char **ret_path, struct fail *fail) MUST_CHECK;
/*
 * Opens the file in $VISUAL, $EDITOR or vi and waits until that ends. ERR_CONFIG when there is no
 * such program or it failed.
 */
enum err editor_run(const char *path, struct fail *fail) MUST_CHECK;
/* What the file says now: a regular file of at most ret->max bytes, however the editor saved it. */
enum err editor_read(const char *path, struct buf *ret, struct fail *fail) MUST_CHECK;

#endif
