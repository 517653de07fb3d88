/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claiming. The attempt must be on disk before a byte of the mail goes out, with the
 * envelope sender by which Postfix can be asked for it, and by which reports come back.
 */
#include "deliverd/outbound_batch.h"

#include "common/base/clock.h"
#include "common/mail/verp.h"

struct claim {
	const struct outbound_batch_config *config;
	struct outbound_batch *batch;
};

static void empty(struct outbound_batch *b)
{
	db_rows_free(TAKE(b->rows));
	outbound_authors_free(TAKE(b->authors));
	arena_release(&b->arena);
	arena_init(&b->arena);
	b->n = 0;
}

static enum err describe(struct outbound_batch *b, struct db *db, struct fail *fail)
{
	enum err e = OK;

	b->author = arena_calloc(&b->arena, b->n, sizeof(*b->author));
	b->verp = arena_calloc(&b->arena, b->n, sizeof(*b->verp));
	for (size_t i = 0; i < b->n && e == OK; i++) {
		e = outbound_author(b->authors, db, &b->jobs[i], &b->author[i], fail);
		if (e == OK)
			b->verp[i] = verp_new(b->author[i].domain, &b->arena);
	}
	return e;
}

/* May run more than once. */
static enum err run(struct db *db, void *arg, struct fail *fail)
{
	struct claim *c = arg;
	struct outbound_batch *b = c->batch;
	const struct store_outbound_claim claim = {
		.lease_id = slice_str(b->lease_id),
		.lease_ms = c->config->lease_ms,
		.limit = c->config->limit,
		.max_bytes = c->config->max_bytes,
		.any_size = c->config->any_size,
		.after_user = c->config->after_user,
	};
	enum err e;

	empty(b);
	b->authors = outbound_authors_new(c->config->sender, c->config->keys);
	e = store_outbound_claim(db, &claim, &b->arena, &b->jobs, &b->n, &b->rows, fail);
	if (e || b->n == 0)
		return e;
	e = describe(b, db, fail);
	return e ? e
		 : store_outbound_attempt(db, b->jobs, b->n, b->verp, c->config->host,
					  c->config->lease_ms, fail);
}

enum err outbound_batch_claim(struct db *db, const struct outbound_batch_config *config,
			      struct outbound_batch **ret, struct fail *fail)
{
	struct outbound_batch *b = mem_zalloc(sizeof(*b));
	struct claim c = { config, b };
	enum err e;

	id_new("lease_", b->lease_id);
	b->lease_end_ms = clock_mono_ms() + config->lease_ms;
	b->refs = 1;
	e = db_tx(db, run, &c, fail);
	if (e)
		outbound_batch_unref(b);
	else
		*ret = b;
	return e;
}

void outbound_batch_charge(struct outbound_batch *b, int64_t *used)
{
	for (size_t i = 0; i < b->n; i++)
		b->bytes += b->jobs[i].size;
	b->charged = used;
	*used += b->bytes;
}

void outbound_batch_unref(struct outbound_batch *b)
{
	if (--b->refs)
		return;
	if (b->charged)
		*b->charged -= b->bytes;
	empty(b);
	arena_release(&b->arena);
	free(b);
}
