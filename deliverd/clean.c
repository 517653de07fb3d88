/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes header fields in place, reading the header section piece by piece so
 * that no limit of the parser can hide a forged field behind it. Bytes that
 * are not removed must stay as they are, in order.
 */
#include "deliverd/clean.h"

#include "common/base/mem.h"
#include "common/mail/header.h"
#include "common/mail/verdict.h"

struct cleaner {
	struct buf *raw;
	struct slice authserv_id;
	size_t read, write; /* bytes before `write` are done, those before `read` are taken */
};

static void keep_until(struct cleaner *c, size_t at)
{
	memmove(c->raw->p + c->write, c->raw->p + c->read, at - c->read);
	c->write += at - c->read;
	c->read = at;
}

static void drop(struct cleaner *c, struct slice field)
{
	keep_until(c, (size_t)(field.p - c->raw->p));
	c->read += field.n;
}

static void finish(struct cleaner *c)
{
	keep_until(c, c->raw->len);
	buf_truncate(c->raw, c->write);
}

/*
 * Cleans the fields of one piece and returns where the next one begins. A
 * piece that is not the last ends before its last field, which may be cut off.
 */
static size_t clean_piece(struct cleaner *c, size_t from, size_t to, bool last)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct header h;
	size_t start;

	header_parse(slice_sub(buf_slice(c->raw), from, to), &a, &h);
	start = h.n ? (size_t)(h.v[h.n - 1].raw.p - c->raw->p) : from;
	if ((!last || h.limited) && start > from) {
		h.n--;
		to = start;
	}
	for (size_t i = 0; i < h.n; i++)
		if (header_is_forgery(&h.v[i], c->authserv_id))
			drop(c, h.v[i].raw);
	return to;
}

void clean_untrusted(struct buf *raw, struct slice authserv_id)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct cleaner c = { .raw = raw, .authserv_id = authserv_id };
	struct header whole;
	size_t at = 0;

	header_parse(buf_slice(raw), &a, &whole);
	while (at < whole.body) {
		size_t to = whole.body - at > HEADER_BYTES_MAX ? at + HEADER_BYTES_MAX : whole.body;

		at = clean_piece(&c, at, to, to == whole.body);
	}
	if (raw->len)
		finish(&c);
}

void clean_trusted(struct buf *raw)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct cleaner c = { .raw = raw };
	const struct header_field *f;
	struct header h;

	header_parse(buf_slice(raw), &a, &h);
	f = header_first(&h, S(VERDICT_HEADER));
	if (f) {
		drop(&c, f->raw);
		finish(&c);
	}
}
