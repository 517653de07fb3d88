/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link that signs a browser in, once: for an operator who has no mail yet, or whose mail is
 * what is broken. The token stands behind the `#`, so that neither a server nor a log sees it.
 */
#include "admin/admin.h"
#include "common/base/ids.h"
#include "common/base/weburl.h"
#include "common/mail/addr.h"
#include "common/store/store_login.h"
#include "common/store/store_user.h"

#include <unistd.h>

#define OPEN_PATH "/api/auth/open"

enum { MINUTES_DEFAULT = 10, MINUTES_MAX = 24 * 60, MINUTE_MS = 60 * 1000 };

struct request {
	struct arena arena;
	struct slice email;
	uint64_t minutes;
	char token[TOKEN_HEX_LEN + 1];
};

static void request_release(struct request *q)
{
	arena_release(&q->arena);
	crypto_wipe(q->token, sizeof(q->token));
}

static enum err read_options(struct request *q, int argc, char **argv, struct fail *fail)
{
	int c;

	while ((c = getopt(argc, argv, "m:")) != -1) {
		if (c != 'm')
			return ERR_INPUT;
		if (slice_to_u64(slice_str(optarg), MINUTES_MAX, &q->minutes) || q->minutes == 0)
			return fail_set(fail, ERR_INPUT, "-m takes 1 to %d minutes", MINUTES_MAX);
	}
	if (optind + 1 != argc)
		return ERR_INPUT;
	if (addr_usable(slice_str(argv[optind]), &q->arena, &q->email))
		q->email = slice_str(argv[optind]); /* which finds nobody, or somebody of old */
	return OK;
}

static enum err make(struct db *db, void *arg, struct fail *fail)
{
	struct request *q = arg;
	struct store_login_link link = { 0 };
	uint8_t hash[SHA256_LEN];
	struct store_user user;
	enum err e = store_user_find(db, q->email, &q->arena, &user, fail);

	if (e)
		return e == ERR_NOT_FOUND ? fail_set(fail, ERR_INPUT, "no such user") : e;
	link.email = user.email;
	crypto_sha256(slice_str(q->token), hash);
	return store_login_add_link(db, hash, NULL, &link, (int64_t)q->minutes * MINUTE_MS, fail);
}

static void print(const struct request *q, struct slice origin)
{
	printf("%.*s" OPEN_PATH "#%s\n", SLICE_ARGS(origin), q->token);
	fflush(stdout);
	fprintf(stderr, "good once, for %llu minutes, for whoever has it\n",
		(unsigned long long)q->minutes);
}

enum err cmd_sign_in(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(request_release) struct request q = { .minutes = MINUTES_DEFAULT };
	AUTO(db_closep) struct db *db = NULL;
	struct slice url = slice_str(s->public_url);
	struct weburl parsed;
	enum err e = read_options(&q, argc, argv, fail);

	if (e)
		return e;
	if (weburl_parse(url, &parsed, NULL))
		return fail_set(fail, ERR_CONFIG,
				"public_url does not say where a browser signs in");
	id_random_hex(TOKEN_HEX_LEN, q.token);
	if ((e = db_open(s->database_url, NULL, "e2a-admin", &db, fail)) ||
	    (e = db_check_schema(db, fail)) || (e = db_tx(db, make, &q, fail)))
		return e;
	print(&q, weburl_origin(url));
	return OK;
}
