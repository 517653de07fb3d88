/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments as files. Their names are a stranger's: none leaves the folder, hides, replaces a
 * file that is there or follows a link. A file that could not be written whole is gone again.
 */
#ifndef E2A_CLI_SAVE_H
#define E2A_CLI_SAVE_H

#include "cli/mail.h"

struct save_folder {
	int fd;
	const char *path;
};

/* Makes the folder if there is none. ERR_IO names path and cause. */
enum err save_open(const char *path, struct save_folder *ret, struct fail *fail) MUST_CHECK;
void save_close(struct save_folder *f);
/*
 * Writes a part of the mail, decoded. *ret_name, in the arena, is the name that the file got.
 * `number` is that of the attachment, for one without a name.
 */
enum err save_part(const struct save_folder *f, const struct mail *m, const struct mime_part *p,
		   size_t number, struct arena *a, const char **ret_name,
		   struct fail *fail) MUST_CHECK;

/*
 * The attempt-th name (from 1) to try for an attachment: at most 255 bytes, no path, no control
 * character, no '.' or '-' in front, no device of DOS.
 */
const char *save_name(struct slice filename, struct slice type, size_t number, unsigned attempt,
		      struct arena *a);

#endif
