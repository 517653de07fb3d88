/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2a login: the browser signs in, asks its user, and brings the key to a port of this computer.
 * The key is never shown, and never goes to another server than the one it is of.
 */
#include "cli/cli.h"
#include "cli/loopback.h"
#include "common/base/ids.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

enum { LOGIN_MS = 120 * 1000 };

extern char **environ;

/* ---- the browser ---- */

static const char *browser(void)
{
	const char *own = getenv("BROWSER"), *x = getenv("DISPLAY"),
		   *wayland = getenv("WAYLAND_DISPLAY");

	if (own && *own)
		return own;
	return (x && *x) || (wayland && *wayland) ? "xdg-open" : NULL;
}

/* Nothing of ours but the environment goes there: not the terminal, nor what is ignored here. */
static enum err spawn(char *const argv[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t ignored;
	pid_t pid;
	int error;

	sigemptyset(&ignored);
	sigaddset(&ignored, SIGPIPE);
	sigaddset(&ignored, SIGCHLD);
	if (posix_spawn_file_actions_init(&files) || posix_spawnattr_init(&attr) ||
	    posix_spawnattr_setsigdefault(&attr, &ignored) ||
	    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF))
		abort();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0))
			abort();
	error = posix_spawnp(&pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return error ? ERR_IO : OK;
}

static void open_browser(const char *url)
{
	const char *program = browser();
	AUTO(mem_freep) char *page = mem_strdup(url), *name = mem_strdup(program ? program : "");
	char *argv[] = { name, page, NULL };

	if (!program)
		return;
	signal(SIGCHLD, SIG_IGN); /* nobody waits for it */
	if (spawn(argv))
		cli_warn("%s cannot be started; open the page yourself", program);
}

/* ---- the server ---- */

/* A server that cannot be reached ends the login; one that does not know the route does not. */
static enum err ask_shared_domain(struct api *api, struct arena *a, const char **ret,
				  struct fail *fail)
{
	static const struct api_request q = { .path = "/api/v1/info", .anonymous = true };
	AUTO(api_answer_release) struct api_answer answer = { 0 };
	AUTO(doc_freep) struct doc *info = NULL;
	struct slice domain;
	enum err e = api_send(api, &q, &answer, fail);

	*ret = NULL;
	if (e || api_error(&answer, NULL) || doc_parse(buf_slice(&answer.body), &info))
		return e;
	domain = doc_text(info, "shared_domain");
	if (domain.n)
		*ret = arena_dup(a, domain);
	return OK;
}

static const char *page_of(struct cli *c, struct api *api, uint16_t port, const char *state)
{
	const char *callback = arena_printf(&c->arena, "http://127.0.0.1:%u/callback", port);
	const struct api_param params[] = {
		{ "cli_callback", callback },
		{ "cli_state", state },
		{ 0 },
	};
	const char *path = api_query(&c->arena, "/api/auth/login", params);

	return arena_printf(&c->arena, "%s%s", api_base_url(api), path);
}

/* ---- what is kept ---- */

static enum err save(struct cli *c, const char *shared_domain, const struct loopback_found *found,
		     struct fail *fail)
{
	const struct config_change changes[] = {
		{ CONFIG_API_KEY, arena_dup(&c->arena, found->api_key) },
		{ CONFIG_AGENT_EMAIL, arena_dup(&c->arena, found->agent_email) },
		{ CONFIG_SHARED_DOMAIN, shared_domain },
		/* from the environment too: the key must not go to another server later */
		{ CONFIG_API_URL, c->config.value[CONFIG_API_URL] },
	};

	return config_change(&c->config, changes, ARRAY_LEN(changes), fail);
}

static void print_done(struct cli *c, const struct loopback_found *found)
{
	AUTO(doc_freep) struct doc *d = doc_object();

	if (c->json) {
		doc_set_text(d, "api_url", slice_str(c->config.value[CONFIG_API_URL]));
		doc_set_text(d, "agent_email", found->agent_email);
		out_doc(&c->out, d, DOC_PRETTY);
		return;
	}
	out_field(&c->out, "Logged in to", slice_str(c->config.value[CONFIG_API_URL]));
	out_field(&c->out, "Agent:", found->agent_email);
	if (config_env_wins(CONFIG_API_KEY))
		cli_warn("E2A_API_KEY is set and wins over the key that was saved");
}

static enum err wait_for_key(struct cli *c, struct api *api, struct loopback *l,
			     struct loopback_found *ret, struct fail *fail)
{
	char state[TOKEN_HEX_LEN + 1];
	const char *page;
	enum err e;

	id_random_hex(ID_HEX_LEN, state);
	page = page_of(c, api, l->port, state);
	fprintf(stderr, "Sign in on this page (it is waited for 2 minutes):\n  %s\n", page);
	open_browser(page);
	e = loopback_wait(l, slice_str(state), LOGIN_MS, &c->arena, ret, fail);
	if (e == OK && ret->result == CALLBACK_DENIED)
		e = fail_set(fail, ERR_FORBIDDEN, "no key was given: %.*s",
			     SLICE_ARGS(slice_sub(ret->error, 0, 100)));
	return e;
}

static enum err run_login(struct cli *c, struct fail *fail)
{
	AUTO(loopback_close) struct loopback l = { .fd = -1 };
	struct loopback_found found;
	const char *domain;
	struct api *api;
	enum err e;

	/* before somebody has made the effort to sign in */
	if ((e = config_change(&c->config, NULL, 0, fail)) ||
	    (e = cli_api_anonymous(c, &api, fail)) ||
	    (e = ask_shared_domain(api, &c->arena, &domain, fail)) ||
	    (e = loopback_open(&l, fail)) || (e = wait_for_key(c, api, &l, &found, fail)) ||
	    (e = save(c, domain, &found, fail)))
		return e;
	print_done(c, &found);
	return OK;
}

const struct command login_commands[] = {
	{ .name = "login",
	  .args = "",
	  .help = "Sign in with the browser and keep an API key.",
	  .details =
		  "Prints the page and opens it with $BROWSER or xdg-open. What is kept is the key, the\n"
		  "agent, the shared domain and the server, in ~/.e2a/config.json.",
	  .run = run_login },
	{ 0 },
};
