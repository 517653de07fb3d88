/* SPDX-License-Identifier: Apache-2.0 */
/* e2a-deliverd: takes mail from Postfix by LMTP, stores it, tells the agents. */
#include "common/base/fdlimit.h"
#include "common/base/log.h"
#include "common/base/metrics_http.h"
#include "deliverd/deliverd.h"
#include "deliverd/deliverd_metrics.h"

#include <malloc.h>
#include <sysexits.h>
#include <unistd.h>

enum { SPARE_FILES = 500 }; /* name service takes most of them */

/* Configuration is for people to mend; anything else may pass, so systemd tries again. */
static int give_up(const struct fail *fail)
{
	log_error("cannot_start", LF_STR("error", err_info(fail->code)->name),
		  LF_STR("cause", fail->what));
	return fail->code == ERR_CONFIG || fail->code == ERR_SCHEMA ? EX_CONFIG : EX_TEMPFAIL;
}

/* A webhook call may leave a connection behind for the next one to its endpoint. */
static void raise_file_limit(const struct settings *s)
{
	uint64_t have, want = (uint64_t)(s->lmtp_max_connections + 2 * s->webhook_concurrency +
					 s->deliverd_db_connections + SPARE_FILES);

	if (!fdlimit_set(want, &have))
		log_warn("file_limit_low", LF_INT("have", have), LF_INT("want", want));
}

static int serve(const struct settings *s, const struct keys *keys)
{
	AUTO(metrics_http_freep) struct metrics_http *metrics = NULL;
	AUTO(deliverd_freep) struct deliverd *d = NULL;
	struct fail fail = { 0 };

	raise_file_limit(s);
	if (metrics_http_new("deliverd_metrics", s->deliverd_metrics, deliverd_metrics,
			     DELIVERD_METRICS_N, &metrics, &fail))
		return give_up(&fail);
	if (deliverd_new(s, keys, &d, &fail))
		return give_up(&fail);
	log_info("ready", LF_STR("listen", s->lmtp_listen));
	deliverd_run(d);
	log_info("stopped");
	return EX_OK;
}

static int configure_and_serve(const char *path)
{
	AUTO(settings_release) struct settings s = { 0 };
	AUTO(keys_wipe) struct keys keys = { 0 };
	enum log_level level = LOGL_INFO;
	struct fail fail = { 0 };

	log_init(DELIVERD_PROGRAM, level);
	if (settings_load(path, &s, &fail))
		return give_up(&fail);
	if (log_level_parse(slice_str(s.log_level), &level) == OK)
		log_init(DELIVERD_PROGRAM, level);
	if (keys_load("deliverd", s.keys_dir, &keys, &fail))
		return give_up(&fail);
	return serve(&s, &keys);
}

/* Whole mails go back to the system when they are freed, not to some thread's heap. */
static void bound_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_ARENA_MAX, 4);
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	int c;

	bound_heap();
	while ((c = getopt(argc, argv, "c:")) == 'c')
		path = optarg;
	if (c != -1 || optind != argc) {
		fputs("usage: e2a-deliverd [-c file]\n", stderr);
		return EX_USAGE;
	}
	return configure_and_serve(path);
}
