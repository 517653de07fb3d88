/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks: which are in trouble, and what an operator can do about it. URLs may hold
 * secrets and are shown of one webhook only; what a mail says never is.
 */
#include "admin/admin.h"
#include "common/base/clock.h"
#include "common/base/schedule.h"
#include "common/mail/addr.h"
#include "common/store/store_delivery.h"
#include "common/store/store_endpoint.h"
#include "common/store/store_submit.h"

#include <inttypes.h>
#include <unistd.h>

enum { LIST_MAX = 1000, AGENTS_MAX = 100 };

/* What an action works with. */
struct task {
	const struct settings *settings;
	struct db *db;
	struct arena arena;
	struct slice subject; /* agent or message */
	/* redeliver */
	struct slice user;
	bool everybody;
	struct store_redelivery wish;
	int64_t due, kept;
};

static void task_release(struct task *t)
{
	arena_release(&t->arena);
	db_close(t->db);
}

static void time_text(int64_t t_us, char ret[CLOCK_TEXT_MAX])
{
	if (t_us)
		clock_rfc3339_s(t_us, ret);
	else
		memcpy(ret, "-", 2);
}

static void print_count(int64_t n)
{
	if (n > STORE_ENDPOINT_COUNT_MAX)
		printf("\tmore than %d", STORE_ENDPOINT_COUNT_MAX);
	else
		printf("\t%" PRId64, n);
}

static enum err list(struct task *t, struct fail *fail)
{
	struct store_endpoint *v;
	char since[CLOCK_TEXT_MAX];
	size_t n;
	enum err e = store_endpoint_trouble(t->db, LIST_MAX + 1, &t->arena, &v, &n, fail);

	if (e)
		return e;
	if (n)
		puts("agent\tstate\tfailures\tlast_error\tsince\tpending\tfailed");
	for (size_t i = 0; i < n && i < LIST_MAX; i++) {
		time_text(v[i].failing_us ? v[i].failing_us : v[i].disabled_us, since);
		printf("%.*s\t%.*s\t%" PRId64 "\t%.*s\t%s", SLICE_ARGS(v[i].agent),
		       SLICE_ARGS(v[i].state), v[i].failures, SLICE_ARGS(v[i].last_error), since);
		print_count(v[i].pending);
		print_count(v[i].failed);
		putchar('\n');
	}
	if (n > LIST_MAX)
		fprintf(stderr, "these are the oldest %d; there are more\n", LIST_MAX);
	return OK;
}

static enum err find(struct task *t, struct store_endpoint *ret, struct fail *fail)
{
	struct slice address;
	enum err e;

	if (addr_fold(t->subject, &t->arena, &address))
		return fail_set(fail, ERR_INPUT, "no such agent");
	e = store_endpoint_find_any(t->db, address, &t->arena, ret, fail);
	return e == ERR_NOT_FOUND ? fail_set(fail, ERR_INPUT, "no such agent") : e;
}

static void print_line(const char *name, struct slice value)
{
	printf("%-16s", name);
	printf("\t%.*s\n", SLICE_ARGS(value));
}

static void print_time(const char *name, int64_t t_us)
{
	char text[CLOCK_TEXT_MAX];

	time_text(t_us, text);
	print_line(name, slice_str(text));
}

static enum err show(struct task *t, struct fail *fail)
{
	struct store_endpoint w;
	enum err e = find(t, &w, fail);

	if (e)
		return e;
	print_line("agent", w.agent);
	print_line("user", w.user_id);
	print_line("url", w.url);
	print_line("state", w.state);
	printf("%-16s\t%" PRId64 "\n", "failures", w.failures);
	print_time("failing since", w.failing_us);
	print_time("next attempt", w.next_us);
	print_time("last failure", w.last_fail_us);
	print_line("last error", w.last_error);
	printf("%-16s\t%" PRId64 "\n", "last status", w.last_status);
	print_time("disabled", w.disabled_us);
	print_line("disabled by", w.disabled_reason);
	printf("%-16s", "pending");
	print_count(w.pending);
	printf("\n%-16s", "failed");
	print_count(w.failed);
	putchar('\n');
	return OK;
}

/* e2a-deliverd looks by itself as well. */
static void announce(struct task *t)
{
	struct fail ignored;

	if (store_submit_announce(t->db, &ignored))
		fputs("e2a-deliverd could not be told, and will find out by itself\n", stderr);
}

static enum err enable(struct task *t, struct fail *fail)
{
	struct store_endpoint w;
	enum err e = find(t, &w, fail);

	if (e == OK && slice_eq(w.state, S("none")))
		return fail_set(fail, ERR_INPUT, STORE_REDELIVERY_NOT_CLOUD);
	if (e == OK)
		e = store_endpoint_enable(t->db, w.user_id, w.agent, fail);
	if (e == OK)
		announce(t);
	return e;
}

static enum err disable(struct task *t, struct fail *fail)
{
	struct store_endpoint w;
	enum err e = find(t, &w, fail);

	if (e == OK)
		e = store_endpoint_disable(t->db, w.agent, fail);
	return e == ERR_CONFLICT ? fail_set(fail, ERR_INPUT, "%s", fail->what) : e;
}

/* One agent, or message, step by step. */
static enum err redeliver_of(struct task *t, struct slice user_id, struct slice agent,
			     struct fail *fail)
{
	struct store_redelivery what = t->wish;
	struct store_redelivered done = { .more = true };
	enum err e = OK;

	what.user_id = user_id;
	what.agent = agent;
	while (e == OK && done.more) {
		e = store_redelivery_run(t->db, &what, &t->arena, &done, fail);
		if (e)
			break;
		t->due += done.n;
		t->kept += done.recent + done.in_hand;
		what.after_us = done.after_us;
		what.after_id = done.after_id;
	}
	return e == ERR_CONFLICT || e == ERR_NOT_FOUND
		       ? fail_set(fail, ERR_INPUT, "%.*s: %s", SLICE_ARGS(agent), fail->what)
		       : e;
}

static enum err redeliver_one(struct task *t, struct fail *fail)
{
	struct store_delivery_of of;
	struct store_endpoint w;
	enum err e;

	if (slice_find(t->subject, '@') >= 0) {
		e = find(t, &w, fail);
		return e ? e : redeliver_of(t, w.user_id, w.agent, fail);
	}
	e = store_delivery_owner(t->db, t->subject, &t->arena, &of, fail);
	if (e == ERR_NOT_FOUND)
		return fail_set(fail, ERR_INPUT, "no such message");
	if (e)
		return e;
	t->wish.message = t->subject;
	return redeliver_of(t, of.user_id, of.agent, fail);
}

/* Who has no webhook to call is named and passed over. */
static enum err redeliver_all(struct task *t, struct fail *fail)
{
	struct slice after = S("");
	struct store_endpoint *v;
	size_t n = AGENTS_MAX;
	enum err e = OK;

	while (e == OK && n == AGENTS_MAX) {
		e = store_endpoint_failed(t->db, t->user, after, AGENTS_MAX, &t->arena, &v, &n,
					  fail);
		for (size_t i = 0; e == OK && i < n; i++) {
			after = v[i].agent;
			e = redeliver_of(t, v[i].user_id, v[i].agent, fail);
			if (e != ERR_INPUT)
				continue;
			fprintf(stderr, "%s\n", fail->what);
			e = OK;
		}
	}
	return e;
}

static enum err redeliver(struct task *t, struct fail *fail)
{
	struct schedule schedule;
	enum err e = schedule_read(t->settings->webhook_schedule, &schedule, fail);

	if (e)
		return e;
	t->wish.lifetime_ms = schedule_span_ms(&schedule);
	t->wish.by = S("operator");
	e = t->subject.n ? redeliver_one(t, fail) : redeliver_all(t, fail);
	if (t->due)
		announce(t);
	if (e == OK)
		printf("%" PRId64 " due now, %" PRId64
		       " left alone (under way, or asked for in the last five minutes)\n",
		       t->due, t->kept);
	return e;
}

static enum err read_time(const char *name, struct slice text, int64_t *ret_us, struct fail *fail)
{
	if (clock_parse_rfc3339(text, ret_us) == OK)
		return OK;
	return fail_set(fail, ERR_INPUT, "%s takes a time such as 2026-01-15T10:00:00Z", name);
}

static enum err read_option(struct task *t, int option, struct slice value, struct fail *fail)
{
	switch (option) {
	case 's':
		return read_time("-s", value, &t->wish.since_us, fail);
	case 't':
		return read_time("-t", value, &t->wish.until_us, fail);
	case 'e':
		t->wish.all = true;
		return OK;
	case 'u':
		t->user = value;
		return OK;
	case 'A':
		t->everybody = true;
		return OK;
	default:
		return ERR_INPUT;
	}
}

/* One of three ways to say of whom; times and -e are for one of them. */
static enum err check_wish(const struct task *t, struct fail *fail)
{
	const struct store_redelivery *w = &t->wish;
	bool timed = w->since_us != INT64_MIN || w->until_us != INT64_MAX;

	if ((t->subject.n > 0) + (t->user.n > 0) + t->everybody != 1)
		return ERR_INPUT;
	if ((timed || w->all) && slice_find(t->subject, '@') < 0)
		return ERR_INPUT;
	if (w->all && w->since_us == INT64_MIN)
		return fail_set(fail, ERR_INPUT, "-e needs -s");
	if (w->since_us >= w->until_us)
		return fail_set(fail, ERR_INPUT, "-t must be later than -s");
	return OK;
}

static enum err read_redeliver(struct task *t, int argc, char **argv, struct fail *fail)
{
	enum err e = OK;
	int c;

	optind = 2;
	while (e == OK && (c = getopt(argc, argv, "+s:t:eu:A")) != -1)
		e = read_option(t, c, slice_str(optarg ? optarg : ""), fail);
	if (e)
		return e;
	if (optind < argc)
		t->subject = slice_str(argv[optind++]);
	return optind == argc ? check_wish(t, fail) : ERR_INPUT;
}

static enum err read_agent(struct task *t, int argc, char **argv, struct fail *fail)
{
	(void)fail;
	if (argc != 3)
		return ERR_INPUT;
	t->subject = slice_str(argv[2]);
	return OK;
}

static enum err read_nothing(struct task *t, int argc, char **argv, struct fail *fail)
{
	(void)t;
	(void)argv;
	(void)fail;
	return argc == 1 ? OK : ERR_INPUT;
}

static const struct action {
	const char *name;
	enum err (*read)(struct task *t, int argc, char **argv, struct fail *fail);
	enum err (*run)(struct task *t, struct fail *fail);
} actions[] = {
	{ "", read_nothing, list },
	{ "show", read_agent, show },
	{ "enable", read_agent, enable },
	{ "disable", read_agent, disable },
	{ "redeliver", read_redeliver, redeliver },
};

static const struct action *action_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (slice_eq(name, slice_str(actions[i].name)))
			return &actions[i];
	return NULL;
}

enum err cmd_webhook(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(task_release) struct task t = { .settings = s };
	const struct action *action = action_find(slice_str(argc > 1 ? argv[1] : ""));
	enum err e;

	t.wish.since_us = t.wish.after_us = INT64_MIN;
	t.wish.until_us = INT64_MAX;
	e = action ? action->read(&t, argc, argv, fail) : ERR_INPUT;
	if (e)
		return e;
	if ((e = db_open(s->database_url, NULL, "e2a-admin", &t.db, fail)) ||
	    (e = db_check_schema(t.db, fail)))
		return e;
	return action->run(&t, fail);
}
