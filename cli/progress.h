/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line on standard error about a long transfer, for a person: only on a terminal, only when
 * the transfer takes more than a second. It is taken away when the transfer is over.
 */
#ifndef E2A_CLI_PROGRESS_H
#define E2A_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	int64_t began_ms; /* 0: nothing is under way */
	int64_t shown_ms; /* 0: no line is there */
	uint64_t last;    /* done when the callback came last */
};

/* struct api_options.progress, with a struct progress as argument. */
void progress_show(void *arg, bool up, uint64_t done, uint64_t total);
/* Takes the line away. Before anything else is written to the terminal. */
void progress_end(struct progress *p);

enum { PROGRESS_TEXT_MAX = 120 };

/* The line: "Sending 3.1 MB of 12 MB, 25 %, 1.2 MB/s". */
void progress_text(bool up, uint64_t done, uint64_t total, int64_t ms, char ret[PROGRESS_TEXT_MAX]);

#endif
