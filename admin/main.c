/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of e2a-admin and how they end. */
#include "admin/admin.h"

#include <sysexits.h>
#include <unistd.h>

static const struct verb {
	const char *name;
	const char *args;
	verb_fn *run;
	const char *help;
} verbs[] = {
	{ "migrate", "", cmd_migrate,
	  "bring the database to this version's schema; set roles and rights" },
	{ "keys", "[-g group]", cmd_keys,
	  "derive the daemons' key files from the deployment secret" },
	{ "bootstrap", "<email>", cmd_bootstrap, "make a user (if new) and an API key" },
	{ "key", "-u email [-a agent] [-e days] [-n name]", cmd_key,
	  "make another API key; -a: for one agent only" },
	{ "sign-in", "[-m minutes] <email>", cmd_sign_in,
	  "print a link that signs a browser in, once" },
	{ "outbound", "[-o age] | resend <job> | drop <job>", cmd_outbound,
	  "list mail from agents that is stuck; send it again; give it up" },
	{ "webhook", "[show | enable | disable <agent>]", cmd_webhook,
	  "list webhooks that fail; show one; call it again; call it no more" },
	{ "webhook", "redeliver [-s t] [-t t] [-e] <message | agent>", cmd_webhook,
	  "repeat calls that failed, or came in a time; -e: those that succeeded too" },
	{ "webhook", "redeliver -u <email> | -A", cmd_webhook,
	  "repeat all calls that failed, of a user or of everybody" },
	{ "domain", "[-r] <domain>", cmd_domain,
	  "print the DNS records of a domain and whether they are there; -r: another DKIM key" },
	{ "config", "[-n]", cmd_config, "print the settings; -n: those that are not the default" },
};

static int usage(void)
{
	fputs("usage: e2a-admin [-c file] verb ...\n", stderr);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(stderr, "  %-9s %-46s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
	return EX_USAGE;
}

static int exit_status(enum err e)
{
	switch (e) {
	case OK:
		return EX_OK;
	case ERR_INPUT:
		return EX_DATAERR;
	case ERR_CONFIG:
	case ERR_SCHEMA:
		return EX_CONFIG;
	default:
		return err_info(e)->retryable ? EX_TEMPFAIL : EX_SOFTWARE;
	}
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (slice_eq(slice_str(name), slice_str(verbs[i].name)))
			return &verbs[i];
	return NULL;
}

static enum err verb_run(const struct verb *v, const char *path, int argc, char **argv,
			 struct fail *fail)
{
	AUTO(settings_release) struct settings s = { 0 };
	enum err e = settings_load(path, &s, fail);

	return e ? e : v->run(&s, argc, argv, fail);
}

int main(int argc, char **argv)
{
	const struct verb *v = NULL;
	struct fail fail = { 0 };
	const char *path = NULL;
	enum err e;
	int c;

	while ((c = getopt(argc, argv, "+c:")) == 'c')
		path = optarg;
	if (c != -1 || optind == argc || !(v = verb_find(argv[optind])))
		return usage();
	argc -= optind;
	argv += optind;
	optind = 1;
	e = verb_run(v, path, argc, argv, &fail);
	if (e == OK && fflush(stdout))
		e = fail_set(&fail, ERR_IO, "standard output cannot be written");
	if (e == ERR_INPUT && !*fail.what)
		return usage();
	if (e)
		fprintf(stderr, "e2a-admin: %s: %s\n", v->name,
			*fail.what ? fail.what : err_info(e)->text);
	return exit_status(e);
}
