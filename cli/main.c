/* SPDX-License-Identifier: Apache-2.0 */
/* From the words that were typed to the exit status. */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/complete.h"

#include "common/base/version.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

enum { ERROR_BYTES_MAX = 4096 };

/* ---- usage ---- */

static void print_commands(struct out *o, struct slice group)
{
	const struct command *c;

	for (size_t i = 0; (c = commands_at(i)); i++)
		if (group.n == 0 || slice_eq(commands_group(c), group))
			out_strf(o, "  %-18s %-20s %s\n", c->name, c->args, c->help);
}

static void print_overview(struct out *o, struct slice group)
{
	out_str(o, "usage: e2a <command> [options]\n\n");
	print_commands(o, group);
	out_str(o, "\n`e2a <command> --help` tells more; so does man e2a.\n");
}

/* "Error: ..." in one write, with nothing in it that a terminal would act on. */
static void print_error(const char *what)
{
	AUTO(buf_release) struct buf safe = BUF_INIT(8 * ERROR_BYTES_MAX);

	out_safe_line(&safe, slice_str(what));
	fprintf(stderr, "Error: %s\n", buf_cstr(&safe));
}

static int usage_error(const char *command, const char *what)
{
	print_error(what);
	fprintf(stderr, "Try: e2a %s%s--help\n", command, *command ? " " : "");
	return EXIT_USAGE;
}

/* ---- how it ends ---- */

static int exit_status(enum err e)
{
	static const int statuses[ERR_COUNT] = {
		[OK] = EXIT_DONE,
		[ERR_UNAUTHORIZED] = EXIT_REFUSED,
		[ERR_FORBIDDEN] = EXIT_REFUSED,
		[ERR_NOT_FOUND] = EXIT_ABSENT,
		[ERR_CONFLICT] = EXIT_CONFLICT,
		[ERR_RATE] = EXIT_LATER,
		[ERR_BUSY] = EXIT_LATER,
		[ERR_TIMEOUT] = EXIT_LATER,
		[ERR_NETWORK] = EXIT_LATER,
		[ERR_DNS] = EXIT_LATER,
		[ERR_INTERNAL] = EXIT_LATER,
	};

	return e == OK || statuses[e] ? statuses[e] : EXIT_FAILED;
}

/* Output that is lost is a failure of its own, unless there is another already. */
static int finish(struct cli *c, enum err e, struct fail *fail)
{
	struct fail lost = { 0 };
	enum err flushed = out_flush(&c->out, &lost);

	if (out_broken(&c->out))
		return EXIT_PIPE;
	if (e == OK && flushed) {
		e = flushed;
		*fail = lost;
	}
	if (e && c->usage)
		return usage_error(c->command ? c->command->name : "", fail->what);
	if (e)
		print_error(*fail->what ? fail->what : err_info(e)->text);
	return exit_status(e);
}

/* ---- the command ---- */

static void cli_release(struct cli *c)
{
	api_free(c->api);
	config_release(&c->config);
	arena_release(&c->arena);
}

static int run_parsed(struct cli *c, struct parsed *p)
{
	AUTO(buf_release) struct buf help = BUF_INIT(64 * 1024);
	struct fail fail = { 0 };
	enum err e = OK;

	if (p->common.help) {
		options_help(c->command, &help);
		out_bytes(&c->out, buf_slice(&help));
	} else if (p->common.version) {
		out_str(&c->out, E2A_VERSION "\n");
	} else {
		c->options = p->values;
		c->args = p->args;
		c->args_n = p->args_n;
		c->json = p->common.json;
		e = config_load(&c->config, &fail);
		if (e == OK)
			e = c->command->run(c, &fail);
	}
	return finish(c, e, &fail);
}

static int run_command(struct cli *c, char **argv, size_t n, struct parsed *p)
{
	struct fail fail = { 0 };
	int status;

	if (options_parse(c->command, argv, n, p, &fail))
		status = usage_error(c->command->name, fail.what);
	else
		status = run_parsed(c, p);
	parsed_release(c->command, p);
	return status;
}

static bool read_common(struct slice arg, struct common_options *ret)
{
	bool json = slice_eq(arg, S("--json")), version = slice_eq(arg, S("--version"));
	bool help = slice_eq(arg, S("--help")) || slice_eq(arg, S("-h"));

	ret->json |= json;
	ret->version |= version;
	ret->help |= help;
	return json || version || help;
}

/* Options that stand before the command: only the common ones. `help` is one of them. */
static bool read_leading(char **argv, size_t *at, size_t n, struct common_options *ret)
{
	for (; *at < n && !ret->help && !ret->version; ++*at) {
		struct slice arg = slice_str(argv[*at]);

		if (slice_eq(arg, S("help")))
			ret->help = true;
		else if (!read_common(arg, ret))
			break;
	}
	return *at == n || *argv[*at] != '-';
}

static int unknown_command(char **argv, size_t n, bool group)
{
	AUTO(buf_release) struct buf what = BUF_INIT(ERROR_BYTES_MAX);

	if (group && n == 1)
		buf_addf(&what, "what about %s?", argv[0]);
	else
		buf_addf(&what, "unknown command: %s%s%s", argv[0], n > 1 ? " " : "",
			 n > 1 ? argv[1] : "");
	return usage_error(group ? argv[0] : "", buf_cstr(&what));
}

/* What stands behind a group counts too: e2a agents --help. */
static int run_without(struct cli *c, char **argv, size_t n, struct common_options *o)
{
	bool group = n && commands_is_group(slice_str(argv[0]));
	struct fail fail = { 0 };

	for (size_t i = 0; i < n; i++)
		read_common(slice_str(argv[i]), o);
	if (n && !o->help && !o->version)
		return unknown_command(argv, n, group);
	if (o->version)
		out_str(&c->out, E2A_VERSION "\n");
	else
		print_overview(&c->out, group ? slice_str(argv[0]) : S(""));
	return finish(c, OK, &fail);
}

static int run(struct cli *c, char **argv, size_t n)
{
	struct common_options leading = { 0 };
	struct fail fail = { 0 };
	struct parsed parsed = { 0 };
	size_t at = 0, words;

	if (n && slice_eq(slice_str(argv[0]), S(COMPLETE_COMMAND))) {
		complete(c, argv + 1, n - 1);
		return finish(c, OK, &fail);
	}
	if (!read_leading(argv, &at, n, &leading)) {
		snprintf(fail.what, sizeof(fail.what), "unknown option %.80s", argv[at]);
		return usage_error("", fail.what);
	}
	c->command = commands_find(argv + at, n - at, &words);
	parsed.common = leading;
	if (c->command)
		return run_command(c, argv + at + words, n - at - words, &parsed);
	return run_without(c, argv + at, n - at, &leading);
}

/* A descriptor that is closed would become that of a file or socket, and be written to. */
static void hold_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	struct cli c = { 0 };
	int status;

	hold_standard_files();
	signal(SIGPIPE, SIG_IGN); /* a broken pipe is an error of a write */
	setlocale(LC_CTYPE, "C.UTF-8");
	out_init(&c.out, stdout);
	status = argc > 0 ? run(&c, argv + 1, (size_t)argc - 1) : EXIT_USAGE;
	cli_release(&c);
	return status;
}
