/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2a-milter: judges mail for the e2a transport at Postfix's SMTP door, and
 * lets mail of agents out. It holds the seal key, the ticket key and no other
 * credential.
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics_http.h"
#include "milter/callbacks.h"
#include "milter/check_dkim.h"
#include "milter/milter_metrics.h"
#include "milter/spf_helper.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#define PROGRAM_PATH "/proc/self/exe"

enum { SECOND_US = 1000000 };

static int usage(void)
{
	fputs("usage: e2a-milter [-c config file]\n", stderr);
	return EX_USAGE;
}

static enum err start(struct milter *m, const char *config, struct fail *fail)
{
	enum log_level level = LOGL_INFO;
	enum err e = settings_load(config, &m->settings, fail);

	if (e)
		return e;
	if (log_level_parse(slice_str(m->settings.log_level), &level) != OK)
		return fail_set(fail, ERR_CONFIG, "log_level: %.50s", m->settings.log_level);
	log_init("e2a-milter", level);
	e = metrics_http_new("milter_metrics", m->settings.milter_metrics, milter_metrics,
			     MILTER_METRICS_N, &m->metrics, fail);
	if (e)
		return e;
	m->tickets = ticket_memory_new(clock_now_us() / SECOND_US, TICKET_MEMORY_MAX);
	e = keys_load("milter", m->settings.keys_dir, &m->keys, fail);
	if (e == OK)
		e = psl_open(m->settings.public_suffix_list, &m->psl, fail);
	if (e == OK)
		e = spf_pool_new(PROGRAM_PATH, (size_t)m->settings.spf_helpers, &m->pool, fail);
	if (e == OK)
		e = dns_new(&m->settings, &m->dns, fail);
	if (e == OK)
		e = dkim_check_init(&m->settings, m->dns, fail);
	return e == OK ? server_open(m, fail) : e;
}

static int serve(const char *config)
{
	static struct milter m;
	struct fail fail = { 0 };
	enum err e = start(&m, config, &fail);

	if (e) {
		log_error("start_failed", LF_STR("reason", fail.what));
		return e == ERR_CONFIG ? EX_CONFIG : EX_SOFTWARE;
	}
	log_info("ready", LF_STR("listen", m.settings.milter_listen));
	e = server_run(&fail);
	if (e)
		log_error("stopped", LF_STR("reason", fail.what));
	else
		log_info("stopped");
	/* libmilter may still have sessions open on its threads, so nothing is taken away. */
	_exit(e ? EX_SOFTWARE : 0);
}

/* libmilter takes these with sigwait(3) on a thread of its own; no other thread may get them. */
static void block_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaddset(&set, signals[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	const char *config = NULL;
	int opt;

	if (argc == 2 && slice_eq(slice_str(argv[1]), S(SPF_HELPER_ARG)))
		return spf_helper_main();
	block_signals();
	log_init("e2a-milter", LOGL_INFO);
	while ((opt = getopt(argc, argv, "c:")) != -1) {
		if (opt != 'c')
			return usage();
		config = optarg;
	}
	return optind == argc ? serve(config) : usage();
}
