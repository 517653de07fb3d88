/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the author. A mail to the world must never claim a domain that would disown it. */
#include "deliverd/outbound_author.h"

#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"
#include "common/store/store_dkim.h"

#define RELAY_LOCAL "agent@"
#define RELAY_NAME " via e2a"

enum { PRIVATE_KEY_MAX = 8192 };

struct known { /* what is known of a domain */
	struct known *next;
	struct slice domain;
	bool has_key, broken; /* a key, and one that does not open */
	struct store_dkim_signer signer;
	struct buf private_key;
};

struct outbound_authors {
	const struct sender *sender;
	const struct keys *keys;
	struct arena arena;
	struct known *known;
};

struct outbound_authors *outbound_authors_new(const struct sender *sender, const struct keys *keys)
{
	struct outbound_authors *a = mem_zalloc(sizeof(*a));

	a->sender = sender;
	a->keys = keys;
	return a;
}

void outbound_authors_free(struct outbound_authors *a)
{
	if (!a)
		return;
	for (struct known *k = a->known; k; k = k->next) {
		if (k->private_key.p)
			crypto_wipe(k->private_key.p, k->private_key.cap);
		buf_release(&k->private_key);
	}
	arena_release(&a->arena);
	free(a);
}

/* The domain is there afterwards, with a key or without. */
static enum err look_up(struct outbound_authors *a, struct db *db, struct slice domain,
			const struct known **ret, struct fail *fail)
{
	struct known *k = a->known;
	enum err e = OK;

	while (k && !slice_eq(k->domain, domain))
		k = k->next;
	if (!k) {
		k = arena_calloc(&a->arena, 1, sizeof(*k));
		k->domain = arena_slice(&a->arena, domain);
		buf_init(&k->private_key, PRIVATE_KEY_MAX);
		k->next = a->known;
		a->known = k;
		e = store_dkim_signer(db, a->keys, domain, &a->arena, &k->signer, &k->private_key,
				      fail);
		k->has_key = e == OK;
		k->broken = e == ERR_CRYPTO;
	}
	*ret = k;
	/* a key that is broken concerns the mail of its domain alone */
	return e == ERR_NOT_FOUND || e == ERR_CRYPTO ? OK : e;
}

/* A signature by a key that is not published would only say that something is wrong. */
static void sign_with(const struct known *k, bool believed, struct outbound_author *ret)
{
	ret->sign = k->has_key && believed;
	ret->unable = k->broken;
	ret->key =
		(struct dkim_sign_key){ k->domain, k->signer.selector, buf_slice(&k->private_key) };
}

/* Any text that the user gave the agent, as a header field can have it. */
static struct slice name_of(struct outbound_authors *a, struct slice name)
{
	return utf8_line(&a->arena, name, COMPOSE_NAME_MAX - sizeof(RELAY_NAME));
}

static void as_itself(struct outbound_authors *a, const struct store_outbound_job *job,
		      struct outbound_author *ret)
{
	struct slice local, domain;

	*ret = (struct outbound_author){ .address = job->author,
					 .domain = job->domain,
					 .name = name_of(a, job->agent_name) };
	if (slice_eq(job->type, S("test"))) {
		ret->name = S("e2a");
		if (addr_split(job->author, &local, &domain))
			ret->domain = domain;
	}
}

static void as_relay(struct outbound_authors *a, const struct store_outbound_job *job,
		     struct outbound_author *ret)
{
	struct slice name = name_of(a, job->agent_name);
	struct slice domain = a->sender->relay_domain;

	if (name.n == 0)
		name = job->agent_email;
	*ret = (struct outbound_author){
		.address =
			slice_str(arena_printf(&a->arena, RELAY_LOCAL "%.*s", SLICE_ARGS(domain))),
		.domain = domain,
		.name = slice_str(arena_printf(&a->arena, "%.*s" RELAY_NAME, SLICE_ARGS(name))),
		.reply_to = job->author,
	};
}

static enum err to_the_world(struct outbound_authors *a, struct db *db,
			     const struct store_outbound_job *job, struct outbound_author *ret,
			     struct fail *fail)
{
	const struct known *own, *relay;
	enum err e = look_up(a, db, ret->domain, &own, fail);

	if (e)
		return e;
	if (sender_is_agent(a->sender, own->domain, own->signer.published)) {
		/* published, or the operator says so */
		sign_with(own, own->signer.published || a->sender->relay_domain.n, ret);
		return OK;
	}
	e = look_up(a, db, a->sender->relay_domain, &relay, fail);
	if (e)
		return e;
	as_relay(a, job, ret);
	sign_with(relay, relay->signer.published, ret);
	return OK;
}

enum err outbound_author(struct outbound_authors *a, struct db *db,
			 const struct store_outbound_job *job, struct outbound_author *ret,
			 struct fail *fail)
{
	as_itself(a, job, ret);
	return job->world ? to_the_world(a, db, job, ret, fail) : OK;
}
