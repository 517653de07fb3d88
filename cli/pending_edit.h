/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to a mail before it is approved, made in an editor. What somebody typed is never lost:
 * until the decision is made it stays in a file, and they are told which.
 */
#ifndef E2A_CLI_PENDING_EDIT_H
#define E2A_CLI_PENDING_EDIT_H

#include "cli/cli.h"
#include "cli/edit.h"

/* Begins with nothing but `c`. */
struct pending_edit {
	struct cli *c;
	const struct doc *mail;
	struct buf original;  /* the text to edit */
	struct edit was, now; /* as it is read when nobody changes it; as it was typed */
	char *path;           /* of the file with what was typed */
	bool own_file;        /* which this run made */
	bool emptied;
	struct buf body; /* of the approval: what differs; empty when nothing does */
};

/*
 * Lets the user change the mail, a borrowed answer of GET /api/v1/messages/{id}: in the editor,
 * in the file that an earlier run has left, or both. ERR_INPUT and ERR_CONFIG say what is wrong
 * with the text or the editor.
 */
enum err pending_edit_changes(struct pending_edit *g, const struct doc *mail, bool edit,
			      const char *file, struct fail *fail) MUST_CHECK;
/* Afterwards, with what became of the approval: drops the file, or tells where it is. */
void pending_edit_end(const struct pending_edit *g, enum err outcome);
void pending_edit_release(struct pending_edit *g);

#endif
