/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line. Nothing of it may reach a pipe or a file. */
#include "cli/progress.h"

#include "cli/size.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000, EVERY_MS = 200 };

void progress_text(bool up, uint64_t done, uint64_t total, int64_t ms, char ret[PROGRESS_TEXT_MAX])
{
	char have[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX];
	const char *verb = up ? "Sending" : "Receiving";

	size_text(done, have);
	size_text(total, all);
	size_text(ms > 0 ? done / (uint64_t)ms * 1000 + done % (uint64_t)ms * 1000 / (uint64_t)ms
			 : 0,
		  rate);
	if (total && done <= total)
		snprintf(ret, PROGRESS_TEXT_MAX, "%s %s of %s, %u %%, %s/s", verb, have, all,
			 (unsigned)((double)done * 100 / (double)total), rate);
	else
		snprintf(ret, PROGRESS_TEXT_MAX, "%s %s, %s/s", verb, have, rate);
}

void progress_show(void *arg, bool up, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	int64_t now = clock_mono_ms();
	char text[PROGRESS_TEXT_MAX];

	if (p->began_ms == 0 || done < p->last) /* another transfer, or the way back */
		p->began_ms = now;
	p->last = done;
	if (done == 0 || now - p->began_ms < PATIENCE_MS || now - p->shown_ms < EVERY_MS ||
	    !isatty(STDERR_FILENO))
		return;
	progress_text(up, done, total, now - p->began_ms, text);
	fprintf(stderr, "\r%s\033[K", text);
	p->shown_ms = now;
}

void progress_end(struct progress *p)
{
	if (p->shown_ms)
		fputs("\r\033[K", stderr);
	*p = (struct progress){ 0 };
}
