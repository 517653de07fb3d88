/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail from agents that does not get on: which it is, and the two things that an operator
 * can do about it. What a job says is never shown.
 */
#include "admin/admin.h"
#include "common/base/clock.h"
#include "common/store/store_stuck.h"
#include "common/store/store_submit.h"

#include <inttypes.h>
#include <unistd.h>

enum { LIST_MAX = 1000 };

#define OLD "1h" /* what is in the queue for longer is listed whatever its state */

static enum err list(struct db *db, int64_t age_ms, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_stuck *v;
	size_t n;
	enum err e = store_stuck_list(db, age_ms, LIST_MAX + 1, &a, &v, &n, fail);

	if (e)
		return e;
	if (n)
		puts("id\tmessage\tagent\tpart\tstate\tattempts\tlast_error\tsince");
	for (size_t i = 0; i < n && i < LIST_MAX; i++) {
		char since[CLOCK_TEXT_MAX];

		clock_rfc3339_s(v[i].created_us, since);
		printf("%.*s\t%.*s\t%.*s\t%.*s\t%.*s\t%" PRId64 "\t%.*s\t%s\n", SLICE_ARGS(v[i].id),
		       SLICE_ARGS(v[i].message_id), SLICE_ARGS(v[i].agent_email),
		       SLICE_ARGS(v[i].part), SLICE_ARGS(v[i].state), v[i].attempts,
		       SLICE_ARGS(v[i].last_error), since);
	}
	if (n > LIST_MAX)
		fprintf(stderr, "these are the oldest %d; there are more\n", LIST_MAX);
	return OK;
}

static enum err resend(const struct settings *s, struct db *db, struct slice id, struct fail *fail)
{
	struct fail ignored;
	enum err e = store_stuck_resend(db, id, s->outbound_lifetime_ms, fail);

	/* deliverd looks by itself as well */
	if (e == OK && store_submit_announce(db, &ignored))
		fputs("e2a-deliverd could not be told, and will find out by itself\n", stderr);
	return e;
}

static enum err drop(const struct settings *s, struct db *db, struct slice id, struct fail *fail)
{
	(void)s;
	return store_stuck_drop(db, id, fail);
}

static const struct act {
	const char *name;
	enum err (*run)(const struct settings *s, struct db *db, struct slice id,
			struct fail *fail) MUST_CHECK;
} acts[] = {
	{ "resend", resend },
	{ "drop", drop },
};

struct request {
	int64_t age_ms;
	const struct act *act; /* NULL: list */
	struct slice id;
};

static enum err read_act(struct request *q, int argc, char **argv)
{
	if (argc != 2)
		return ERR_INPUT;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (slice_eq(slice_str(argv[0]), slice_str(acts[i].name)))
			q->act = &acts[i];
	q->id = slice_str(argv[1]);
	return q->act ? OK : ERR_INPUT;
}

static enum err read_options(struct request *q, int argc, char **argv, struct fail *fail)
{
	struct slice age = S(OLD);
	bool given = false;
	int c;

	while ((c = getopt(argc, argv, "+o:")) == 'o') {
		age = slice_str(optarg);
		given = true;
	}
	if (c != -1)
		return ERR_INPUT;
	if (conf_time(age, &q->age_ms))
		return fail_set(fail, ERR_INPUT, "-o takes a time such as 30m, 2h or 3d");
	if (optind == argc)
		return OK;
	return given ? ERR_INPUT : read_act(q, argc - optind, argv + optind);
}

/* The operator's words are wrong, not the server. */
static enum err as_input(enum err e, struct fail *fail)
{
	if (e == ERR_NOT_FOUND || e == ERR_CONFLICT)
		return fail_set(fail, ERR_INPUT, "%s", fail->what);
	return e;
}

enum err cmd_outbound(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(db_closep) struct db *db = NULL;
	struct request q = { 0 };
	enum err e = read_options(&q, argc, argv, fail);

	if (e)
		return e;
	if ((e = db_open(s->database_url, NULL, "e2a-admin", &db, fail)) ||
	    (e = db_check_schema(db, fail)))
		return e;
	if (!q.act)
		return list(db, q.age_ms, fail);
	return as_input(q.act->run(s, db, q.id, fail), fail);
}
