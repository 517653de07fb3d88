/* SPDX-License-Identifier: Apache-2.0 */
/* Postfix's log and queue, line by line, as if anybody could write there. */
#include "tests/fuzz/fuzz.h"

#include "common/base/utf8.h"
#include "deliverd/postfix_queue.h"

#include <string.h>

#define NOW_US 1795820111000000LL
#define DAY_US (24LL * 3600 * 1000000)

static const struct slice sender =
	SLICE_INIT("bounce-00112233445566778899aabbccddeeff@agents.example");

static void check_inside(struct slice part, struct slice line)
{
	FUZZ_CHECK(!part.n || (part.p >= line.p && part.p + part.n <= line.p + line.n));
}

static void read_log(struct slice line)
{
	struct postfix_log_line l;
	enum postfix_log_kind kind = postfix_log_read(line, sender, &l);
	int64_t us;

	check_inside(l.queue_id, line);
	check_inside(l.rcpt, line);
	FUZZ_CHECK(kind == POSTFIX_LOG_OTHER || slice_search(line, sender) >= 0);
	FUZZ_CHECK(kind == POSTFIX_LOG_OTHER || l.queue_id.n);
	FUZZ_CHECK(utf8_valid(slice_str(l.reply.text)) && !slice_has_ctl(slice_str(l.reply.text)));
	if (postfix_log_time(line, NOW_US, &us) == OK &&
	    !slice_starts(slice_sub(line, 4, 5), S("-")))
		FUZZ_CHECK(us <= NOW_US + DAY_US);
}

static void read_queue(struct slice line)
{
	char id[POSTFIX_QUEUE_ID_MAX + 1] = "";
	bool found = true;
	enum err e = postfix_queue_read(line, sender, &found, id);

	FUZZ_CHECK(strlen(id) <= POSTFIX_QUEUE_ID_MAX && slice_only(slice_str(id), ""));
	FUZZ_CHECK(!found || (e == OK && slice_search(line, sender) >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of((const char *)data, size), line;

	while (rest.n && slice_cut(&rest, '\n', &line)) {
		read_log(line);
		read_queue(line);
	}
	return 0;
}
