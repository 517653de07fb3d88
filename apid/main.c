/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2a-apid: REST and WebSocket on one port. main brings the parts up in order,
 * waits for a signal, and takes them down in the reverse order.
 */
#include "apid/announcer.h"
#include "apid/apid_metrics.h"
#include "apid/app.h"
#include "apid/export.h"
#include "apid/listen.h"
#include "apid/peers.h"
#include "apid/presence.h"
#include "apid/ready.h"
#include "apid/server.h"
#include "apid/sign_in.h"
#include "apid/waits.h"
#include "apid/workers.h"
#include "apid/ws.h"
#include "apid/ws_wake.h"
#include "common/base/clock.h"
#include "common/base/fdlimit.h"
#include "common/base/log.h"
#include "common/base/metrics_http.h"
#include "common/mail/mime.h"
#include "common/store/store_domain.h"

#include <malloc.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

enum { STORAGE_RETRY_S = 2, SPARE_FILES = 100, WORKERS_STOP_MS = 2000 };

struct daemon {
	struct settings settings;
	struct keys keys;
	struct arena arena;
	struct app app;
	int listen_fd;
	struct listener *listener;
	struct ws_wake *wake;
	struct metrics_http *metrics;
	sigset_t signals;
};

static enum err read_configuration(struct daemon *d, const char *path, struct fail *fail)
{
	enum log_level level = LOGL_INFO;
	enum err e = settings_load(path, &d->settings, fail);

	if (e)
		return e;
	if (log_level_parse(slice_str(d->settings.log_level), &level) == OK)
		log_init("e2a-apid", level);
	e = keys_load("apid", d->settings.keys_dir, &d->keys, fail);
	if (e)
		return e;
	e = sender_init(&d->settings, &d->arena, &d->app.sender, fail);
	if (e == OK)
		e = webhook_policy_read(&d->settings, &d->app.webhook_policy, fail);
	if (e == OK)
		e = client_proxies_parse(slice_str(d->settings.http_trusted_proxies),
					 &d->app.trusted_proxies, fail);
	if (e == OK)
		e = dns_new(&d->settings, &d->app.dns, fail);
	return e ? e : sign_in_new(&d->settings, &d->keys, d->app.dns, &d->app.sign_in, fail);
}

/* Settings that are meant for tests are never silent. */
static void warn_of_test_settings(const struct settings *s)
{
	if (slice_eq(slice_str(s->domain_verification), S("none")))
		log_warn("domain_verification_off",
			 LF_STR("effect", "any user can verify any domain without proof"));
	if (slice_eq(slice_str(s->webhook_https), S("optional")))
		log_warn("webhook_https_optional",
			 LF_STR("effect", "webhooks in webhook_allow may use plain http"));
}

static void tell_how_to_sign_in(const struct app *app)
{
	const struct settings *s = app->settings;

	if (s->sign_in_mail && !app->sign_in->mail)
		log_warn("sign_in_mail_off", LF_STR("reason", "public_url is not set"));
	if (app->sign_in->exposed)
		log_warn("public_url_not_https",
			 LF_STR("effect", "browsers do not say where a form comes from; "
					  "nobody can sign in"));
	if (!app->sign_in->mail && !app->sign_in->oidc)
		log_warn("sign_in_off", LF_STR("effect", "there are API keys, but no sessions"));
}

static void raise_file_limit(const struct settings *s)
{
	/* Exactly so many: libwebsockets makes tables of this size. */
	uint64_t have, want = (uint64_t)(s->http_max_connections + s->http_max_waiting +
					 s->wait_max + s->ws_max + s->http_workers + SPARE_FILES);

	if (!fdlimit_set(want, &have))
		log_warn("file_limit_low", LF_INT("have", have), LF_INT("want", want));
}

static enum err share_domains(struct db *db, const struct sender *s, struct fail *fail)
{
	enum err e = OK;

	if (s->shared_domain.n)
		e = store_domain_share(db, s->shared_domain, fail);
	if (e == OK && s->relay_domain.n)
		e = store_domain_share(db, s->relay_domain, fail);
	return e;
}

static enum err check_storage(struct daemon *d, struct fail *fail)
{
	struct db *db;
	enum err e = db_open(d->settings.database_url, "e2a_apid", "e2a-apid", &db, fail);

	if (e)
		return e;
	e = db_check_schema(db, fail);
	if (e == OK)
		e = share_domains(db, &d->app.sender, fail);
	db_close(db);
	return e;
}

/* Storage may come up later than we do. ERR_TIMEOUT when a signal comes first. */
static enum err wait_for_storage(struct daemon *d, struct fail *fail)
{
	const struct timespec pause = { .tv_sec = STORAGE_RETRY_S };
	bool told = false;

	for (;;) {
		enum err e = check_storage(d, fail);

		if (e != ERR_STORAGE && e != ERR_COMMIT_UNKNOWN)
			return e;
		if (!told)
			log_warn("waiting_for_storage", LF_STR("detail", fail->what));
		told = true;
		if (sigtimedwait(&d->signals, NULL, &pause) > 0)
			return ERR_TIMEOUT;
	}
}

static enum err start(struct daemon *d, struct fail *fail)
{
	enum err e;

	d->app.peers = peers_new(d->settings.http_per_client);
	d->app.ready = ready_new(&d->app);
	d->app.exports = exports_new(&d->settings);
	d->app.announcer = announcer_new(&d->settings);
	d->app.presence = presence_new(&d->app);
	d->app.waits = waits_new(&d->app);
	d->app.workers = workers_new(&d->settings);
	e = server_new(&d->app, &d->app.server, fail);
	if (e == OK)
		e = ws_new(&d->app, &d->app.ws, fail);
	if (e)
		return e;
	d->wake = ws_wake_new(&d->app);
	return listener_new(&d->app, d->listen_fd, &d->listener, fail);
}

/* What is under way that nobody waits for may be cut off: no commit, no act. */
static void stop_workers(struct daemon *d)
{
	presence_stop(d->app.presence);
	if (workers_stop(d->app.workers, clock_mono_ms() + WORKERS_STOP_MS))
		return;
	log_warn("stopped_with_jobs_under_way");
	_exit(EXIT_SUCCESS);
}

/* New sockets, then who waits for mail, then WebSockets, then the requests under way, at most until
 * the deadline. */
static void stop(struct daemon *d)
{
	int64_t deadline_ms = clock_mono_ms() + d->settings.http_stop_timeout_ms;

	listener_free(d->listener);
	ws_wake_free(d->wake);
	if (d->app.waits)
		waits_stop(d->app.waits);
	if (d->app.ws)
		ws_stop(d->app.ws);
	if (d->app.server)
		server_drain(d->app.server, deadline_ms);
	if (d->app.workers)
		stop_workers(d);
	server_free(d->app.server);
	ws_free(d->app.ws);
	workers_free(d->app.workers);
	waits_free(d->app.waits);
	presence_free(d->app.presence);
	announcer_free(d->app.announcer);
	exports_free(d->app.exports);
	ready_free(d->app.ready);
	peers_free(d->app.peers);
}

static enum err serve(struct daemon *d, struct fail *fail)
{
	enum err e;
	int signal;

	raise_file_limit(&d->settings);
	e = metrics_http_new("apid_metrics", d->settings.apid_metrics, apid_metrics, APID_METRICS_N,
			     &d->metrics, fail);
	if (e == OK)
		e = listen_open(d->settings.http_listen, &d->listen_fd, fail);
	if (e == OK)
		e = wait_for_storage(d, fail);
	if (e == ERR_TIMEOUT)
		return OK;
	if (e)
		return e;
	warn_of_test_settings(&d->settings);
	tell_how_to_sign_in(&d->app);
	e = start(d, fail);
	if (e == OK) {
		log_info("ready", LF_STR("listen", d->settings.http_listen));
		sigwait(&d->signals, &signal);
		log_info("stopping", LF_INT("signal", signal));
	}
	stop(d);
	return e;
}

static void prepare_signals(struct daemon *d)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&d->signals);
	sigaddset(&d->signals, SIGTERM);
	sigaddset(&d->signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &d->signals, NULL); /* inherited by all threads */
}

static void release(struct daemon *d)
{
	metrics_http_free(d->metrics);
	sign_in_free(d->app.sign_in);
	dns_free(d->app.dns);
	keys_wipe(&d->keys);
	settings_release(&d->settings);
	arena_release(&d->arena);
}

/* Large bodies go back to the system when they are freed, not to some thread's heap. */
static void bound_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_ARENA_MAX, 4);
}

int main(int argc, char **argv)
{
	struct daemon d = { .listen_fd = -1 };
	struct fail fail = { 0 };
	const char *path = NULL;
	enum err e;
	int c;

	bound_heap();
	while ((c = getopt(argc, argv, "c:")) == 'c')
		path = optarg;
	if (c != -1 || optind != argc) {
		fprintf(stderr, "usage: e2a-apid [-c file]\n");
		return EX_USAGE;
	}
	log_init("e2a-apid", LOGL_INFO);
	mime_init();
	prepare_signals(&d);
	d.app.settings = &d.settings;
	d.app.keys = &d.keys;
	e = read_configuration(&d, path, &fail);
	if (e == OK)
		e = serve(&d, &fail);
	if (e)
		log_error("start_failed", LF_STR("error", err_info(e)->name),
			  LF_STR("detail", fail.what));
	release(&d);
	if (e == ERR_CONFIG || e == ERR_SCHEMA)
		return EX_CONFIG;
	return e ? EX_UNAVAILABLE : EX_OK;
}
