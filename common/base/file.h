/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole small files: reading them with a ceiling, writing them so that a crash
 * leaves the old or the new one.
 */
#ifndef E2A_BASE_FILE_H
#define E2A_BASE_FILE_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <sys/types.h>

/* Appends the content of a regular file. ERR_IO names path and cause; ERR_TOO_BIG at the ceiling.
 */
enum err file_read(const char *path, struct buf *ret, struct fail *fail) MUST_CHECK;
/*
 * Writes <path>.<random>, syncs it, renames it to path and syncs the folder.
 * Several writers of one path do not disturb each other: the last one stands.
 */
enum err file_replace(const char *path, struct slice content, mode_t mode,
		      struct fail *fail) MUST_CHECK;
/* ERR_IO, and errno says why. */
enum err file_write_all(int fd, struct slice s) MUST_CHECK;

#endif
