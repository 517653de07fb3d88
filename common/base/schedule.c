/* SPDX-License-Identifier: Apache-2.0 */
/* One reader, because who stores a job and who redelivers it have to give up at the same time. */
#include "common/base/schedule.h"

#include "common/base/conf.h"

#define WAIT_MAX_MS (INT64_C(365) * 24 * 60 * 60 * 1000)

enum { ATTEMPTS_MS = 3600000, SHOWN_MAX = 60 };

static enum err refuse(struct slice word, struct fail *fail)
{
	return fail_set(fail, ERR_CONFIG,
			"webhook_schedule: not at most %d times of a year at most: %.*s",
			SCHEDULE_MAX, (int)(word.n < SHOWN_MAX ? word.n : SHOWN_MAX), word.p);
}

enum err schedule_read(const char *text, struct schedule *ret, struct fail *fail)
{
	struct slice rest = slice_str(text), word;
	struct schedule s = { .n = 0 };

	while (slice_cut(&rest, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (s.n == SCHEDULE_MAX || conf_time(word, &s.wait_ms[s.n]) ||
		    s.wait_ms[s.n] > WAIT_MAX_MS)
			return refuse(word, fail);
		s.n++;
	}
	*ret = s;
	return OK;
}

int64_t schedule_span_ms(const struct schedule *s)
{
	int64_t ms = ATTEMPTS_MS;

	for (size_t i = 0; i < s->n; i++)
		ms += s->wait_ms[i] + s->wait_ms[i] / 5;
	return ms;
}
