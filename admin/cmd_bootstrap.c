/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first user, or another key for one. The key and, when it
 * was made, the signing secret are shown here once and can never be shown again.
 */
#include "admin/admin.h"
#include "common/base/ids.h"
#include "common/mail/addr.h"
#include "common/mail/authsig.h"
#include "common/store/store_domain.h"
#include "common/store/store_key.h"
#include "common/store/store_secret.h"
#include "common/store/store_user.h"

#define BOOTSTRAP_NAME "bootstrap"
#define SECRET_NAME "default"
#define OUR_ADDRESS "an account's address cannot be on a domain whose mail e2a takes"

struct bootstrap {
	struct arena arena;
	struct keys keys;
	struct slice email;
	struct slice domain;        /* ... of it */
	struct slice shared_domain; /* empty: none */
	struct apikey api_key;
	char secret[TOKEN_HEX_LEN + 1];
	/* found out */
	struct store_user user;
	bool secret_made;
};

static void bootstrap_release(struct bootstrap *b)
{
	arena_release(&b->arena);
	crypto_wipe(b, sizeof(*b));
}

/*
 * Kept in the form in which signing in looks for it. An agent could read the mail of
 * an account that lives on an e2a domain.
 */
static enum err check_email(struct bootstrap *b, const char *text, struct fail *fail)
{
	struct slice local;

	if (addr_usable(slice_str(text), &b->arena, &b->email) ||
	    !addr_split(b->email, &local, &b->domain))
		return fail_set(fail, ERR_INPUT, "%.100s: not an e-mail address", text);
	if (b->shared_domain.n && slice_eq(b->domain, b->shared_domain))
		return fail_set(fail, ERR_INPUT, OUR_ADDRESS);
	return OK;
}

static enum err prepare(struct bootstrap *b, const struct settings *s, const char *email,
			struct fail *fail)
{
	if (*s->shared_domain &&
	    addr_domain(slice_str(s->shared_domain), &b->arena, &b->shared_domain))
		return fail_set(fail, ERR_CONFIG, "shared_domain is no domain name");
	apikey_new(&b->api_key);
	id_random_hex(TOKEN_HEX_LEN, b->secret);
	return check_email(b, email, fail);
}

static enum err make_rows(struct db *db, void *arg, struct fail *fail)
{
	struct bootstrap *b = arg;
	struct store_key_new key = { .name = S(BOOTSTRAP_NAME), .key = &b->api_key };
	struct store_key_item made;
	bool taken;
	enum err e = store_domain_taken(db, b->domain, &taken, fail);

	if (e == OK && taken)
		e = fail_set(fail, ERR_INPUT, OUR_ADDRESS);
	if (e ||
	    (e = store_user_ensure(db, b->email, S(BOOTSTRAP_NAME), &b->arena, &b->user, fail)) ||
	    (e = store_secret_ensure(db, &b->keys, b->user.id, S(SECRET_NAME), slice_str(b->secret),
				     &b->secret_made, fail)))
		return e;
	key.user_id = b->user.id;
	e = store_key_create(db, &key, &b->arena, &made, fail);
	if (e)
		return e;
	return b->shared_domain.n ? store_domain_share(db, b->shared_domain, fail) : OK;
}

static void print_all(const struct bootstrap *b)
{
	AUTO(buf_release) struct buf whsec = BUF_INIT(256);

	printf("User:    %.*s (id=%.*s)\nAPI key: %s\n", SLICE_ARGS(b->user.email),
	       SLICE_ARGS(b->user.id), b->api_key.text);
	fflush(stdout);
	fputs("save the API key now \u2014 it will not be shown again\n", stderr);
	if (!b->secret_made)
		return;
	authsig_whsec(slice_str(b->secret), &whsec);
	fprintf(stderr,
		"Signing secret (verifies webhooks; save it now as well):\n"
		"  as it is:                      %s\n"
		"  for Standard Webhooks clients: %s\n",
		b->secret, buf_cstr(&whsec));
	crypto_wipe(whsec.p, whsec.len);
}

enum err cmd_bootstrap(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(bootstrap_release) struct bootstrap b = { .arena = ARENA_INIT };
	AUTO(db_closep) struct db *db = NULL;
	enum err e;

	if (argc != 2)
		return ERR_INPUT;
	if ((e = prepare(&b, s, argv[1], fail)) || (e = deployment_keys(s, &b.keys, fail)) ||
	    (e = db_open(s->database_url, NULL, "e2a-admin", &db, fail)) ||
	    (e = db_check_schema(db, fail)) || (e = db_tx(db, make_rows, &b, fail)))
		return e;
	print_all(&b);
	if (store_domain_announce(db, fail))
		fprintf(stderr, "e2a-deliverd could not be told (%s); it will see by itself\n",
			fail->what);
	return OK;
}
