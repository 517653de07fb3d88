/* SPDX-License-Identifier: Apache-2.0 */
/* What queue and log together prove; scripts stand for postqueue(1). */
#include "deliverd/postfix_trace.h"

#include "common/base/clock.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERP "bounce-00112233445566778899aabbccddeeff@agents.example"
#define ENTRY                                                                                      \
	"{\"queue_name\": \"deferred\", \"queue_id\": \"4jbpf747wZz1TRN2\", \"arrival_time\": "    \
	"1795820111, \"message_size\": 169, \"forced_expire\": false, \"sender\": \"" VERP "\", "  \
	"\"recipients\": [{\"address\": \"a@b.example\", \"delay_reason\": \"connect to "          \
	"127.0.0.1[127.0.0.1]:1: Connection refused\"}]}"
#define RETURNED                                                                                        \
	"{\"queue_id\": \"4jbpf747wZz1TRN3\", \"sender\": \"\", \"recipients\": [{\"address\": \"" VERP \
	"\"}]}"

enum { MINUTE_MS = 60000, RCPTS = 2 };
#define SECOND_US 1000000LL

static char folder[] = "/tmp/e2a-test-trace.XXXXXX";

static const char *in_folder(const char *name)
{
	static char paths[2][100];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void put(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

/* ---- the queue ---- */

static void lines_of_the_queue_are_read(void **state)
{
	static const struct {
		const char *line;
		enum err want;
		const char *id; /* NULL: not found */
	} rows[] = {
		{ ENTRY, OK, "4jbpf747wZz1TRN2" },
		{ "{\"sender\":\"" VERP "\",\"queue_id\":\"A/B\"}", OK, "" },
		{ "{\"sender\":\"" VERP "\"}", OK, "" },
		{ RETURNED, OK, NULL },
		{ "{\"sender\":\"x@y.example\"}", OK, NULL },
		{ "{", OK, NULL },
		{ "", OK, NULL },
		{ "{\"sender\":\"" VERP, ERR_INPUT, NULL },
		{ "{\"sender\":[\"" VERP "\"]}", ERR_INPUT, NULL },
		{ VERP, ERR_INPUT, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char id[POSTFIX_QUEUE_ID_MAX + 1] = "";
		bool found = false;

		assert_row(i, postfix_queue_read(slice_str(rows[i].line), S(VERP), &found, id) ==
				      rows[i].want);
		assert_row(i, found == (rows[i].id != NULL));
		assert_slice_row(slice_str(id), slice_str(rows[i].id), i);
	}
}

static void what_postqueue_does_has_its_meaning(void **state)
{
	static const struct {
		const char *script;
		enum err want;
		bool found;
		const char *cause; /* part of it */
	} rows[] = {
		{ "echo '" ENTRY "'", OK, true, "" },
		{ "echo '" RETURNED "'; echo '{}'; echo '" ENTRY "'", OK, true, "" },
		{ "echo '" RETURNED "'", OK, false, "" },
		{ "test \"$1\" = -j -a $# = 1", OK, false, "" },
		{ "echo 'postqueue: fatal: mail system is down' >&2; exit 69", ERR_IO, false,
		  "status 69: postqueue: fatal: mail system is down" },
		{ "echo '{}'; exit 1", ERR_IO, false, "status 1" },
		{ "kill -9 $$", ERR_IO, false, "status -1" },
		/* a mail that was seen is there */
		{ "echo '" ENTRY "'; exit 1", OK, true, "" },
		{ "printf '%s' '" ENTRY "'", OK, true, "" },
		/* cut, or longer than is read */
		{ "printf '%.200s\\n' '" ENTRY "'", ERR_INPUT, false, "cannot be read" },
		{ "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo '" ENTRY "'", OK, true, "" },
		{ "printf '{\"a\":\"'; head -c 3000000 /dev/zero | tr '\\0' x; echo '" VERP "\"}'",
		  OK, false, "" },
		{ "printf '%.200s' '" ENTRY "'; head -c 3000000 /dev/zero | tr '\\0' x; echo",
		  ERR_INPUT, false, "cannot be read" },
		/* hangs, before and behind its output */
		{ "exec sleep 60", ERR_TIMEOUT, false, "timed out" },
		{ "exec >&- 2>&-; exec sleep 60", ERR_IO, false, "status -1" },
		{ "yes '{}'", ERR_TIMEOUT, false, "timed out" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char script[2000], id[POSTFIX_QUEUE_ID_MAX + 1];
		int64_t start = clock_mono_ms();
		struct fail fail = { 0 };
		bool found = false;
		enum err e;

		snprintf(script, sizeof(script), "#!/bin/sh\n%s\n", rows[i].script);
		put(in_folder("postqueue"), script, 0755);
		e = postfix_queue_find(in_folder("postqueue"), S(VERP), 1000, NULL, &found, id,
				       &fail);
		if (e != rows[i].want)
			fail_msg("row %zu: %s", i, fail.what);
		assert_row(i, found == rows[i].found);
		assert_row(i, !found || slice_eq(slice_str(id), S("4jbpf747wZz1TRN2")));
		assert_row(i, e == OK || strstr(fail.what, rows[i].cause));
		assert_row(i, clock_mono_ms() - start < 10000);
	}
}

static void a_postqueue_that_is_not_there_is_told(void **state)
{
	char id[POSTFIX_QUEUE_ID_MAX + 1];
	struct fail fail = { 0 };
	bool found;

	(void)state;
	assert_int_equal(
		postfix_queue_find(in_folder("absent"), S(VERP), 1000, NULL, &found, id, &fail),
		ERR_IO);
	assert_non_null(strstr(fail.what, "absent: No such file"));
}

/* ---- both ---- */

static void add_line(struct buf *b, int64_t at_us, const char *text)
{
	char at[CLOCK_TEXT_MAX];

	clock_rfc3339_us(at_us, at);
	buf_addf(b, "%s mx %s\n", at, text);
}

/* The attempt was ten minutes ago; the log begins an hour ago. */
static enum postfix_trace_outcome trace(const char *script, const char *logged, int64_t settle_ms,
					struct smtp_reply *rcpts, struct postfix_trace_answer *ret)
{
	static const struct slice names[RCPTS] = { SLICE_INIT("a@b.example"),
						   SLICE_INIT("c@d.example") };
	int64_t now = clock_now_us(), begun = now - 600 * SECOND_US;
	const struct postfix_trace_query query = { S(VERP), names, RCPTS, begun,
						   begun + 5 * SECOND_US };
	const struct postfix_trace_source source = { in_folder("postqueue"), in_folder("log"),
						     1 << 20, settle_ms, NULL };
	AUTO(buf_release) struct buf log = BUF_INIT(10000);

	if (logged) {
		add_line(&log, begun - 3000 * SECOND_US, "postfix/master[1]: reload");
		add_line(
			&log, begun + SECOND_US,
			"postfix/smtpd[1]: ABC: reject: RCPT from x[::1]: 550 5.1.1 no; from=<" VERP
			"> to=<c@d.example> proto=ESMTP helo=<x>");
		add_line(&log, begun + SECOND_US, logged);
		add_line(&log, now, "postfix/anvil[1]: statistics");
		put(source.log, buf_cstr(&log), 0644);
	} else {
		unlink(source.log);
	}
	put(source.postqueue, script, 0755);
	postfix_trace(&source, &query, rcpts, ret);
	return ret->outcome;
}

#define SHELL "#!/bin/sh\n"
#define EMPTY SHELL "exit 0\n"
#define FULL SHELL "echo '" ENTRY "'\n"
#define DOWN SHELL "exit 69\n"
#define NOTHING "postfix/smtpd[1]: connect from x[::1]"
#define TOOK "postfix/qmgr[1]: 4XYZ: from=<" VERP ">, size=1, nrcpt=1 (queue active)"
#define MILTER                                                                                      \
	"postfix/cleanup[1]: ABC: milter-reject: END-OF-MESSAGE from x[::1]: 5.7.1 no; from=<" VERP \
	"> to=<a@b.example> proto=ESMTP helo=<x>"

static void it_takes_both_to_say_that_a_mail_was_not_taken(void **state)
{
	static const struct {
		const char *script, *logged;
		int64_t settle_ms;
		enum postfix_trace_outcome want;
		const char *why, *id;
		int codes[RCPTS];
	} rows[] = {
		{ EMPTY, TOOK, MINUTE_MS, POSTFIX_TRACE_ACCEPTED, "", "4XYZ", { 250, 550 } },
		{ DOWN, TOOK, MINUTE_MS, POSTFIX_TRACE_ACCEPTED, "", "4XYZ", { 250, 550 } },
		{ FULL,
		  NOTHING,
		  MINUTE_MS,
		  POSTFIX_TRACE_ACCEPTED,
		  "",
		  "4jbpf747wZz1TRN2",
		  { 250, 550 } },
		{ FULL, NULL, MINUTE_MS, POSTFIX_TRACE_ACCEPTED, "", "4jbpf747wZz1TRN2", { 0, 0 } },
		/* taken now, while it is early */
		{ EMPTY, TOOK, 60 * MINUTE_MS, POSTFIX_TRACE_ACCEPTED, "", "4XYZ", { 250, 550 } },
		{ EMPTY, NOTHING, MINUTE_MS, POSTFIX_TRACE_NOT_ACCEPTED, "absent", "", { 0, 0 } },
		{ EMPTY,
		  MILTER,
		  60 * MINUTE_MS,
		  POSTFIX_TRACE_NOT_ACCEPTED,
		  "refused",
		  "",
		  { 0, 0 } },
		{ DOWN,
		  MILTER,
		  60 * MINUTE_MS,
		  POSTFIX_TRACE_NOT_ACCEPTED,
		  "refused",
		  "",
		  { 0, 0 } },
		{ EMPTY,
		  NOTHING,
		  60 * MINUTE_MS,
		  POSTFIX_TRACE_CANNOT_TELL,
		  "early",
		  "",
		  { 0, 0 } },
		{ DOWN, NOTHING, MINUTE_MS, POSTFIX_TRACE_CANNOT_TELL, "queue", "", { 0, 0 } },
		{ EMPTY, NULL, MINUTE_MS, POSTFIX_TRACE_CANNOT_TELL, "log", "", { 0, 0 } },
		{ DOWN, NULL, MINUTE_MS, POSTFIX_TRACE_CANNOT_TELL, "queue", "", { 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_reply rcpts[RCPTS];
		struct postfix_trace_answer a;
		bool cause;

		assert_row(i, trace(rows[i].script, rows[i].logged, rows[i].settle_ms, rcpts, &a) ==
				      rows[i].want);
		assert_slice_row(slice_str(a.why), slice_str(rows[i].why), i);
		assert_slice_row(slice_str(a.queue_id), slice_str(rows[i].id), i);
		for (size_t k = 0; k < RCPTS; k++)
			assert_row(i, rcpts[k].code == rows[i].codes[k]);
		cause = slice_eq(slice_str(a.why), S("queue")) ||
			slice_eq(slice_str(a.why), S("log"));
		assert_row(i, (*a.fail.what != '\0') == cause);
	}
}

static int make_folder(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as in the daemon */
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(in_folder("postqueue"));
	unlink(in_folder("log"));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_the_queue_are_read),
		cmocka_unit_test(what_postqueue_does_has_its_meaning),
		cmocka_unit_test(a_postqueue_that_is_not_there_is_told),
		cmocka_unit_test(it_takes_both_to_say_that_a_mail_was_not_taken),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
