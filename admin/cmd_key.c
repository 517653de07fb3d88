/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another API key for a user, or for one of the user's agents. It is shown
 * here once and can never be shown again.
 */
#include "admin/admin.h"
#include "common/mail/addr.h"
#include "common/store/store_key.h"
#include "common/store/store_user.h"

#include <unistd.h>

enum { DAYS_MAX = 3650 };

static const int64_t day_ms = INT64_C(24) * 60 * 60 * 1000;

struct request {
	struct arena arena;
	struct slice email, agent, name;
	int64_t lifetime_ms;
	struct apikey key;
	/* found out */
	struct store_user user;
	struct store_key_item made;
};

static void request_release(struct request *q)
{
	arena_release(&q->arena);
	apikey_wipe(&q->key);
}

static enum err read_option(struct request *q, int option, struct slice value, struct fail *fail)
{
	uint64_t days;

	switch (option) {
	case 'u':
		if (addr_usable(value, &q->arena, &q->email))
			q->email = value; /* which finds nobody, or somebody of old */
		return OK;
	case 'a':
		q->agent = value;
		return OK;
	case 'n':
		q->name = value;
		return OK;
	case 'e':
		if (slice_to_u64(value, DAYS_MAX, &days) || days == 0)
			return fail_set(fail, ERR_INPUT, "-e takes 1 to %d days", DAYS_MAX);
		q->lifetime_ms = (int64_t)days * day_ms;
		return OK;
	default:
		return ERR_INPUT;
	}
}

static enum err read_options(struct request *q, int argc, char **argv, struct fail *fail)
{
	enum err e = OK;
	int c;

	while (e == OK && (c = getopt(argc, argv, "u:a:e:n:")) != -1)
		e = read_option(q, c, slice_str(optarg), fail);
	if (e)
		return e;
	return optind == argc && q->email.n ? OK : ERR_INPUT;
}

static enum err make(struct db *db, void *arg, struct fail *fail)
{
	struct request *q = arg;
	struct store_key_new key = { .name = q->name,
				     .key = &q->key,
				     .lifetime_ms = q->lifetime_ms };
	enum err e = store_user_find(db, q->email, &q->arena, &q->user, fail);

	if (e)
		return e == ERR_NOT_FOUND ? fail_set(fail, ERR_INPUT, "no such user") : e;
	if (q->agent.n && addr_fold(q->agent, &q->arena, &key.agent_address))
		return fail_set(fail, ERR_INPUT, "the user has no such agent");
	key.user_id = q->user.id;
	e = store_key_create(db, &key, &q->arena, &q->made, fail);
	return e == ERR_NOT_FOUND ? fail_set(fail, ERR_INPUT, "the user has no such agent") : e;
}

static void print(const struct request *q)
{
	printf("User:    %.*s (id=%.*s)\n", SLICE_ARGS(q->user.email), SLICE_ARGS(q->user.id));
	if (q->made.agent_email.n)
		printf("Agent:   %.*s\n", SLICE_ARGS(q->made.agent_email));
	printf("API key: %s\n", q->key.text);
	fflush(stdout);
	fputs("save the API key now \u2014 it will not be shown again\n", stderr);
}

enum err cmd_key(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(request_release) struct request q = { .name = S("e2a-admin") };
	AUTO(db_closep) struct db *db = NULL;
	enum err e = read_options(&q, argc, argv, fail);

	if (e)
		return e;
	apikey_new(&q.key);
	if ((e = db_open(s->database_url, NULL, "e2a-admin", &db, fail)) ||
	    (e = db_check_schema(db, fail)) || (e = db_tx(db, make, &q, fail)))
		return e;
	print(&q);
	return OK;
}
