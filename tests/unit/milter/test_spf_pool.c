/* SPDX-License-Identifier: Apache-2.0 */
/* Real helpers: this program, executed as one. */
#include "milter/spf_pool.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/mail/dns.h"
#include "common/mail/verdict.h"
#include "milter/spf_helper.h"
#include "milter/spf_wire.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PATIENCE_MS = 10000 };

static char packet[SPF_PACKET_MAX];

static struct spf_pool *pool_of(size_t n)
{
	struct spf_pool *p;
	struct fail fail;

	assert_int_equal(spf_pool_new("/proc/self/exe", n, &p, &fail), OK);
	return p;
}

static struct spf_helper *take(struct spf_pool *p)
{
	struct spf_helper *h;

	assert_int_equal(spf_pool_take(p, clock_mono_ms() + PATIENCE_MS, &h), OK);
	return h;
}

static void ask(struct spf_helper *h, const char *record, struct spf_msg *ret)
{
	struct spf_msg m = { .kind = SPF_EVALUATE, .n = SPF_F_COUNT };

	m.field[SPF_F_IP] = S("127.0.0.9");
	m.field[SPF_F_HELO] = S("mx.example.org");
	m.field[SPF_F_SENDER] = S("user@example.com");
	m.field[SPF_F_DOMAIN] = S("example.com");
	m.field[SPF_F_RECORD] = slice_str(record);
	assert_int_equal(spf_send(spf_helper_fd(h), &m), OK);
	assert_int_equal(spf_receive(spf_helper_fd(h), clock_mono_ms() + PATIENCE_MS, packet, ret),
			 OK);
}

static void answer(struct spf_helper *h, uint8_t code, struct slice record, struct spf_msg *ret)
{
	struct spf_msg m = {
		.kind = SPF_ANSWER, .code = code, .n = record.n > 0, .field = { record }
	};

	assert_int_equal(spf_send(spf_helper_fd(h), &m), OK);
	assert_int_equal(spf_receive(spf_helper_fd(h), clock_mono_ms() + PATIENCE_MS, packet, ret),
			 OK);
}

static void a_helper_evaluates_records_without_questions(void **state)
{
	static const struct {
		const char *record;
		enum auth_result want;
	} rows[] = {
		{ "v=spf1 +all", AUTH_PASS },     { "v=spf1 -all", AUTH_FAIL },
		{ "v=spf1 ~all", AUTH_SOFTFAIL }, { "v=spf1 ?all", AUTH_NEUTRAL },
		{ "v=spf1", AUTH_NEUTRAL },       { "v=spf1 nonsense", AUTH_PERMERROR },
		{ "no record", AUTH_PERMERROR },
	};
	struct spf_pool *p = pool_of(1);
	struct spf_helper *h = take(p);
	struct spf_msg m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ask(h, rows[i].record, &m);
		assert_int_equal(m.kind, SPF_RESULT);
		assert_int_equal(m.code, rows[i].want);
	}
	spf_pool_give(p, h, true);
	spf_pool_free(p);
}

static void a_helper_asks_the_milter_and_nobody_else(void **state)
{
	struct spf_pool *p = pool_of(1);
	struct spf_helper *h = take(p);
	struct spf_msg m;

	(void)state;
	ask(h, "v=spf1 +mx -all", &m);
	assert_int_equal(m.kind, SPF_QUERY);
	assert_int_equal(m.code, DNS_MX);
	assert_true(slice_eq(m.field[0], S("example.com")));
	answer(h, SPF_FOUND, S("10 m1.example.com"), &m);
	assert_int_equal(m.code, DNS_A);
	assert_true(slice_eq(m.field[0], S("m1.example.com")));
	answer(h, SPF_FOUND, slice_of("\177\0\0\11", 4), &m);
	assert_int_equal(m.kind, SPF_RESULT);
	assert_int_equal(m.code, AUTH_PASS);

	ask(h, "v=spf1 +include:x.example -all", &m);
	assert_int_equal(m.code, DNS_TXT);
	answer(h, SPF_FAILED, slice_of(NULL, 0), &m);
	assert_int_equal(m.code, AUTH_TEMPERROR);

	ask(h, "v=spf1 +include:x.example -all", &m);
	answer(h, SPF_NO_DATA, slice_of(NULL, 0), &m);
	assert_int_equal(m.code, AUTH_PERMERROR);
	spf_pool_give(p, h, true);
	spf_pool_free(p);
}

static pid_t child_of_this_process(void)
{
	char path[64], text[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	return (pid_t)strtoumax(text, NULL, 10);
}

static void a_helper_that_was_killed_is_replaced(void **state)
{
	struct spf_pool *p = pool_of(1);
	struct spf_helper *h = take(p);
	struct spf_msg m;

	(void)state;
	ask(h, "v=spf1 +a -all", &m);
	assert_int_equal(m.kind, SPF_QUERY);
	kill(child_of_this_process(), SIGKILL);
	assert_int_equal(spf_receive(spf_helper_fd(h), clock_mono_ms() + PATIENCE_MS, packet, &m),
			 ERR_IO);
	spf_pool_give(p, h, false);
	h = take(p);
	ask(h, "v=spf1 -all", &m);
	assert_int_equal(m.code, AUTH_FAIL);
	spf_pool_give(p, h, true);
	spf_pool_free(p);
}

static void a_busy_pool_lets_nobody_wait_past_the_deadline(void **state)
{
	struct spf_pool *p = pool_of(1);
	struct spf_helper *h = take(p), *other;

	(void)state;
	assert_int_equal(spf_pool_take(p, clock_mono_ms() + 50, &other), ERR_TIMEOUT);
	spf_pool_give(p, h, true);
	spf_pool_give(p, take(p), true);
	spf_pool_free(p);
}

/* The last evaluation of a helper and the first of its successor are like all others. */
static void a_helper_is_retired_between_two_evaluations(void **state)
{
	struct spf_pool *p = pool_of(1);
	pid_t first = child_of_this_process();
	struct spf_msg m;

	(void)state;
	for (int i = 0; i < 10100; i++) {
		struct spf_helper *h = take(p);

		ask(h, "v=spf1 -all", &m);
		assert_int_equal(m.code, AUTH_FAIL);
		spf_pool_give(p, h, true);
	}
	assert_int_not_equal(child_of_this_process(), first);
	spf_pool_free(p);
}

static void a_helper_that_does_not_read_delays_nobody(void **state)
{
	struct spf_msg m = { .kind = SPF_EVALUATE, .n = 1, .field = { S("x") } };
	int pair[2];
	enum err e;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	do
		e = spf_send(pair[0], &m);
	while (e == OK);
	assert_int_equal(e, ERR_IO);
	close(pair[0]);
	close(pair[1]);
}

static void nonsense_from_a_helper_is_refused(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),
		SLICE_INIT("Q"),
		SLICE_INIT("Q\1\1"),
		SLICE_INIT("Q\1\1\0"),
		SLICE_INIT("Q\1\1\0\5abc"),
		SLICE_INIT("Q\1\1\0\1ab"),
		SLICE_INIT("Q\1\377"),
		SLICE_INIT("Q\1\0x"),
	};
	struct spf_msg m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(spf_decode(rows[i], &m), ERR_INPUT);
	assert_int_equal(spf_decode(S("Q\1\1\0\3abc"), &m), OK);
	assert_true(slice_eq(m.field[0], S("abc")));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_helper_evaluates_records_without_questions),
		cmocka_unit_test(a_helper_asks_the_milter_and_nobody_else),
		cmocka_unit_test(a_helper_that_was_killed_is_replaced),
		cmocka_unit_test(a_busy_pool_lets_nobody_wait_past_the_deadline),
		cmocka_unit_test(a_helper_is_retired_between_two_evaluations),
		cmocka_unit_test(a_helper_that_does_not_read_delays_nobody),
		cmocka_unit_test(nonsense_from_a_helper_is_refused),
	};

	if (argc == 2 && slice_eq(slice_str(argv[1]), S(SPF_HELPER_ARG)))
		return spf_helper_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
